"""Reader of models: CpModelProto in text or binary, MPS, LP. Its content tells what a file holds, not its ending."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from ortools.linear_solver import linear_solver_pb2
from ortools.sat import cp_model_pb2
from ortools.sat.python import cp_model

from nnsearch.problems.cp_model.linear_formats import looks_like_lp, looks_like_mps, read_lp, read_mps
from nnsearch.problems.cp_model.problem import CpModelFile
from nnsearch.problems.files.source import Spec, error, located, read_bytes, shown

M = TypeVar("M", bound=Message)

ENDINGS = (".pb", ".binpb", ".bin", ".pbtxt", ".textproto", ".txt", ".mps", ".lp")
_EXPECTED = "expected a CpModelProto, MPS or LP"
_FIELD = re.compile(r"(?:\s|#.*\n)*[a-z_]+\s*[:{]")
_OTHER_MESSAGES: dict[type[Message], str] = {
    cp_model_pb2.CpSolverResponse: "a CpSolverResponse, which is a solution; give the model",
    linear_solver_pb2.MPModelProto: "an MPModelProto; write it as .mps",
}
_OTHER_FILES = {
    rb"PK\x03\x04": "a zip archive; unpack it",
    rb"BZh": "a bzip2 file; unpack it",
    rb"\xfd7zXZ": "an xz file; unpack it",
    rb"\x28\xb5\x2f\xfd": "a zstd file; unpack it",
    rb"\x08[\x03-\x20][\x12\x3a]": "an ONNX file; a network goes to --model",
    rb"\s*\{": "JSON, such as a solution of --out; give the model",
}


def holds_model(content: bytes) -> bool:
    """Tell whether the content of a file, whose ending does not tell its problem, is a model."""
    text = text_of_file(content)
    if text is None:
        return bool(getattr(parsed(cp_model_pb2.CpModelProto, content), "variables", ()))
    return looks_like_mps(text) or looks_like_lp(text) or _FIELD.match(text) is not None


def read_cp_model(source: Spec) -> dict[str, CpModelFile]:
    """Return the model in a file, by the stem of the file.

    A binary file that was cut between two of its constraints is a smaller model; nothing in it tells the difference.

    Raises:
        InstanceError: The file cannot be read, holds something else, or a model that CP-SAT does not take.
    """
    path, content = source.path, read_bytes(source.path)
    if not content.strip():
        raise error(path, None, f"{_EXPECTED}, got an empty file")
    text = text_of_file(content)
    read = None
    if text is not None and (source.ending == ".mps" or looks_like_mps(text)):
        read = read_mps
    elif text is not None and (source.ending == ".lp" or looks_like_lp(text)):
        read = read_lp
    if text is None or read is None:
        model = _read_proto(path, content, text)
    else:
        program = read(path, text)
        with located(path, None):
            model = program.to_cp_model()
    with located(path, None):
        return {source.stem: CpModelFile(source.stem, model)}


def _read_proto(path: Path, content: bytes, text: str | None) -> cp_model.CpModel:
    # Python's parser, for CP-SAT's own reports errors on standard error alone.
    proto = _parse_binary(path, content) if text is None else _parse_text(path, text)
    if not len(proto.variables):
        raise error(path, None, "expected a CpModelProto with variables, got none; a foreign or cut file?")
    model = cp_model.CpModel()
    if not model.proto.parse_text_format(text_format.MessageToString(proto)):
        raise error(path, None, "expected a CpModelProto of this version of OR-Tools, got one that CP-SAT cannot read")
    return model


def text_of_file(content: bytes) -> str | None:
    """Return the text that a file holds, None if it is none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\x00-\x08\x0e-\x1f]", text) else text


def parsed(kind: type[M], content: bytes | str) -> M | None:
    """Return the message that a file holds and nothing else, None if it is another one."""
    message = kind()
    try:
        if isinstance(content, str):
            return text_format.Parse(content, message)
        message.ParseFromString(content)
    except (DecodeError, text_format.ParseError):
        return None
    # Bytes of another message type often parse, into numbers of fields that this one does not have.
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return message if message.ByteSize() == size else None


def _refuse_foreign(path: Path, content: bytes | str) -> None:
    """Refuse what is known to be something else."""
    for kind, what in _OTHER_MESSAGES.items():
        if parsed(kind, content) is not None:
            raise error(path, None, f"{_EXPECTED}, got {what}")
    beginning = content[:100].encode() if isinstance(content, str) else content
    for pattern, what in _OTHER_FILES.items():
        if re.match(pattern, beginning):
            raise error(path, None, f"{_EXPECTED}, got {what}")


def _parse_binary(path: Path, content: bytes) -> cp_model_pb2.CpModelProto:
    proto = cp_model_pb2.CpModelProto()
    try:
        proto.ParseFromString(content)
    except DecodeError:
        _refuse_foreign(path, content)
        raise error(path, None, f"{_EXPECTED}, got a foreign or cut file") from None
    if not proto.variables or len(UnknownFieldSet(proto)):
        _refuse_foreign(path, content)
    if len(UnknownFieldSet(proto)):
        fields = sorted({field.field_number for field in UnknownFieldSet(proto)})
        raise error(path, None, f"expected a binary CpModelProto, got a message with an unknown field {fields[0]}")
    return proto


def _parse_text(path: Path, text: str) -> cp_model_pb2.CpModelProto:
    proto = cp_model_pb2.CpModelProto()
    try:
        text_format.Parse(text, proto)
    except text_format.ParseError as problem:
        _refuse_foreign(path, text)
        if not _FIELD.match(text):
            raise error(path, 1, f"{_EXPECTED}, got {shown(text.strip())}") from None
        lines = text.split("\n")
        line = problem.GetLine() or len(lines)
        reason = str(problem).removeprefix(f"{problem.GetLine()}:{problem.GetColumn()} : ")
        got = shown(lines[line - 1].strip()) if line <= len(lines) else "the end of the file"
        raise error(path, line, f"expected a CpModelProto in text format, got {got} ({reason[:100]})") from None
    return proto

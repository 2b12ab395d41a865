"""Reader of CP-SAT models: CpModelProto files."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from ortools.sat import cp_model_pb2
from ortools.sat.python import cp_model

from nnsearch.problems.cp_model.problem import CpModelFile
from nnsearch.problems.files.source import Spec, error, located, read_bytes, read_text, shown

BINARY_ENDINGS = (".pb", ".binpb")
TEXT_ENDINGS = (".pbtxt", ".textproto")


def read_cp_model(source: Spec) -> dict[str, CpModelFile]:
    """Return the model in a binary file or a text file, by the stem of the file.

    A binary file that was cut between two of its constraints is a smaller model; nothing in it tells the difference.

    Raises:
        InstanceError: The file cannot be read, is none of a CpModelProto, or CP-SAT finds the model invalid.
    """
    path = source.path
    # Python's parser, for CP-SAT's own reports errors on standard error alone.
    proto = _parse_text(path) if source.ending in TEXT_ENDINGS else _parse_binary(path)
    if not len(proto.variables):
        raise error(path, None, "expected a CpModelProto with variables, got none; a foreign, cut or empty file?")
    model = cp_model.CpModel()
    if not model.proto.parse_text_format(text_format.MessageToString(proto)):
        raise error(path, None, "expected a CpModelProto of this version of OR-Tools, got one that CP-SAT cannot read")
    with located(path, None):
        return {path.stem: CpModelFile(path.stem, model)}


def _parse_binary(path: Path) -> cp_model_pb2.CpModelProto:
    try:
        proto = cp_model_pb2.CpModelProto.FromString(read_bytes(path))
    except DecodeError:
        raise error(path, None, "expected a binary CpModelProto, got a foreign or cut file") from None
    # Bytes of another message type often parse, into numbers of fields that CpModelProto does not have.
    if len(UnknownFieldSet(proto)):
        fields = sorted({field.field_number for field in UnknownFieldSet(proto)})
        raise error(path, None, f"expected a binary CpModelProto, got a message with an unknown field {fields[0]}")
    return proto


def _parse_text(path: Path) -> cp_model_pb2.CpModelProto:
    text = read_text(path)
    proto = cp_model_pb2.CpModelProto()
    try:
        text_format.Parse(text, proto)
    except text_format.ParseError as problem:
        lines = text.split("\n")
        line = problem.GetLine() or len(lines)
        reason = str(problem).removeprefix(f"{problem.GetLine()}:{problem.GetColumn()} : ")
        got = shown(lines[line - 1].strip()) if line <= len(lines) else "the end of the file"
        raise error(path, line, f"expected a CpModelProto in text format, got {got} ({reason[:100]})") from None
    return proto

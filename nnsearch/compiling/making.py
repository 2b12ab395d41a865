"""Makes machine code, in a process of its own; see :func:`main`."""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from nnsearch.annealing import walk
from nnsearch.annealing.arrays import COLUMN, ROW, STEP, TERM, Program, new_walk, read_program
from nnsearch.annealing.arrays import STATE as WALK
from nnsearch.compiled.machine_code import (
    BEGIN,
    IMPROVE,
    LONGEST,
    MOVE_AT_RANDOM,
    SETTLE,
    MachineCode,
    file_name,
    target_machine,
    with_digest,
)
from nnsearch.linear_program import LinearProgram
from nnsearch.schedules import moves
from nnsearch.schedules.arrays import ARC, MOVE, PLACE, STATE, TASK, USE, Graph

_FLOAT = np.dtype(np.float64)
_NUMBER = np.dtype(np.int64)
_OPTIONS = {"error_model": "numpy", "nogil": True}
_STUB = "{ call void @llvm.trap() unreachable }"


def main(folders: Sequence[str]) -> None:
    """Make machine code, try it, and write it to the first folder that can be written.

    Raises:
        OSError: none can be written.
    """
    file = _writable(folders) / file_name()
    code = machine_code()
    _try(MachineCode(code))  # LLVM would end this process, and nobody else's
    _write(file, with_digest(code))


def _try(code: MachineCode) -> None:
    """Use what is made once: on no tasks, and on one variable."""
    code.settle(Graph.of_lists([], [], [], [], [], []))
    zero, one = np.zeros(1), np.ones(1)
    place = np.zeros(1, dtype=_NUMBER)
    program, _ = read_program(LinearProgram(zero, one, one, one, one, place, place, one))
    state = new_walk(program, 0)
    code.begin(program, state)
    code.try_moves(program, state, 100)


def _writable(folders: Sequence[str]) -> Path:
    """Return the first folder that can be written; to make machine code for none would be in vain each time."""
    *others, last = map(Path, folders)
    for folder in others:
        with suppress(OSError):
            return _tried(folder)
    return _tried(last)


def _tried(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder


def machine_code() -> bytes:
    """Return an object file with one function, ``call``; see :class:`nnsearch.compiled.machine_code.MachineCode`.

    What it would call to raise an error, which it never does, is a trap: it would need numba.
    """
    made = numba.cfunc(types.int64(types.int64, types.CPointer(types.int64), types.int64, types.int64), **_OPTIONS)(
        _call
    )
    module = llvm.parse_assembly(_without_others(made.inspect_llvm()))
    module.get_function(made.native_name).name = "call"
    module.verify()
    return bytes(target_machine().emit_object(module))


def _without_others(code: str) -> str:
    """Return LLVM's code with a trap for each function that is declared and not defined, and nothing for variables."""
    code = re.sub(r"^declare (?!.*@llvm\.)(.*)$", rf"define internal \1 {_STUB}", code, flags=re.MULTILINE)
    code = re.sub(r"^(@\S+) = external global i8.*$", r"\1 = internal global i8 0", code, flags=re.MULTILINE)
    return code if "declare void @llvm.trap()" in code else f"{code}\ndeclare void @llvm.trap()\n"


def _write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, beside other processes that may write it at the same moment."""
    part = file.with_suffix(f".{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@intrinsic
def _pointer(context, address):
    """Return an address as a pointer."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(address), generate


@numba.njit(**_OPTIONS)
def _graph(where):
    return Graph(
        carray(_pointer(where[0]), where[1], TASK),
        carray(_pointer(where[2]), where[3], USE),
        carray(_pointer(where[4]), where[5], ARC),
        carray(_pointer(where[6]), where[7], ARC),
        carray(_pointer(where[8]), where[9], _NUMBER),
        carray(_pointer(where[10]), where[11], PLACE),
        carray(_pointer(where[12]), where[13], MOVE),
    )


@numba.njit(**_OPTIONS)
def _program(where):
    return Program(
        carray(_pointer(where[0]), where[1], COLUMN),
        carray(_pointer(where[2]), where[3], ROW),
        carray(_pointer(where[4]), where[5], TERM),
        carray(_pointer(where[6]), where[7], TERM),
        carray(_pointer(where[8]), where[9], _NUMBER),
        carray(_pointer(where[10]), where[11], _NUMBER),
        carray(_pointer(where[12]), where[13], STEP),
        carray(_pointer(where[14]), where[15], _NUMBER),
        carray(_pointer(where[16]), where[17], _FLOAT),
        carray(_pointer(where[18]), where[19], _FLOAT),
    )


def _call(which, where, one, other):
    if which <= IMPROVE:
        return _call_moves(which, where, one, other)
    program, state = _program(where), carray(_pointer(where[20]), where[21], WALK)
    if which == BEGIN:
        walk.begin(program, state)
        return 0
    return walk.try_moves(program, state, one)


@numba.njit(**_OPTIONS)
def _call_moves(which, where, one, other):
    graph = _graph(where)
    if which == SETTLE:
        return moves.settle(graph)
    if which == LONGEST:
        return moves.longest(graph)
    state = carray(_pointer(where[14]), where[15], STATE)
    if which == MOVE_AT_RANDOM:
        moves.move_at_random(graph, state, one)
        return 0
    keeps = carray(_pointer(where[16]), where[17], _NUMBER)
    return moves.improve(graph, keeps, state, one, other)

"""The functions of :mod:`nnsearch.schedules.moves` and :mod:`nnsearch.annealing.walk` as machine code.

It needs no numba.

numba takes a second to import and to get ready in each process; LLVM alone, without which machine code cannot be
linked, a twentieth.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt

SETTLE, LONGEST, MOVE_AT_RANDOM, IMPROVE, BEGIN, TRY_MOVES = range(6)
"""The functions."""

_CALL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_SOURCES = (
    *("compiling/making.py", "compiled/drawing.py", "compiled/machine_code.py"),
    *("schedules/arrays.py", "schedules/moves.py", "annealing/arrays.py", "annealing/walk.py"),
)


Records = npt.NDArray[Any]
"""A record for each; see :mod:`nnsearch.schedules.arrays` and :mod:`nnsearch.annealing.arrays`."""


class MachineCode:
    """What machine code does; see the functions of the same names.

    Its one function takes the number of the function that is meant, (address, length) of each array in one array, and
    two numbers.

    Args:
        code: of :func:`nnsearch.compiling.making.machine_code`, on this processor.
    """

    def __init__(self, code: bytes) -> None:
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self._function = _CALL(self._engine.get_function_address("call"))

    def settle(self, graph: Sequence[Records]) -> bool:
        """Bring the order of tasks, heads and tails up to date with all chains; false where tasks wait in a circle."""
        return bool(self._call(SETTLE, graph))

    def longest(self, graph: Sequence[Records]) -> int:
        """Return the length of the longest path."""
        return self._call(LONGEST, graph)

    def move_at_random(self, graph: Sequence[Records], state: Records, count: int) -> None:
        """Make moves at random, so many at most."""
        self._call(MOVE_AT_RANDOM, (*graph, state), count)

    def improve(self, graph: Sequence[Records], keeps: Records, state: Records, best: int, work: int) -> int:
        """Search until the longest path is shorter than the best one before, or until much work is done."""
        return self._call(IMPROVE, (*graph, state, keeps), best, work)

    def begin(self, program: Sequence[Records], state: Records) -> None:
        """Take the values of a program as they are."""
        self._call(BEGIN, (*program, state))

    def try_moves(self, program: Sequence[Records], state: Records, moves: int) -> bool:
        """Try moves; return whether there are better values than before."""
        return bool(self._call(TRY_MOVES, (*program, state), moves))

    def _call(self, function: int, arrays: Sequence[Records], one: int = 0, other: int = 0) -> int:
        where = np.array([number for array in arrays for number in (array.ctypes.data, len(array))], dtype=np.int64)
        return int(self._function(function, where.ctypes.data, one, other))


def target_machine() -> llvm.TargetMachine:
    """Return LLVM's notion of this processor, for one use: what links code with it owns it from then on."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="jitdefault",
        jit=True,
    )


@functools.cache
def file_name() -> str:
    """Return the name of the file of machine code that is made here: it tells of the source, numba and processor.

    Raises:
        OSError: there is no source.
        PackageNotFoundError: there is no numba.
    """
    made_of = [(Path(__file__).parents[1] / name).read_bytes() for name in _SOURCES]
    made_by = [llvmlite.__version__, importlib.metadata.version("numba"), sys.implementation.cache_tag]
    made_for = [llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    digest = hashlib.sha256(repr((made_of, made_by, made_for)).encode()).hexdigest()
    return f"nnsearch-moves-{digest[:32]}.o"


def code_in(file: Path) -> bytes | None:
    """Return the machine code of a file; None where it is not as it was written, or is not there."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def with_digest(code: bytes) -> bytes:
    """Return what a file holds that :func:`code_in` reads."""
    return hashlib.sha256(code).digest() + code

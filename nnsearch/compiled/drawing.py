"""Random numbers and options of what numba compiles."""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numba

# Nothing is allocated, so that arrays need no count of who refers to them: a third of the time.
jit = numba.njit(nogil=True, error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@jit
def below(state, count):
    """Return a random number below a count, by a linear congruential generator (D. Knuth)."""
    state[0].random = state[0].random * 6364136223846793005 + 1442695040888963407
    return ((state[0].random >> 33) & 0x3FFFFFFF) % count

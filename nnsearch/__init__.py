"""Learned value ordering for OR-Tools.

A network scores every (variable, value) pair that is still possible; the search tries the best-scored value first. The
set of solutions never changes: exhausting the tree still proves infeasibility.

- ``nnsearch.cpsat.CpSolver``: CP-SAT's own solver class, with a learned search racing beside it: the first answer wins
- ``nnsearch.solve_many``: many models at a time, their states scored together
- ``nnsearch.cp.ValuePhase``: a decision builder for the CP solver, inference at the search nodes
- ``nnsearch.cpsat.guide``: hints and a search strategy for CP-SAT
- ``nnsearch.load_scorer``: a pretrained or exported network
- ``nnsearch.CandidateGraph``: the structure of a model, which networks for any model and size read
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnsearch.public import *  # noqa: F403

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the package when something of it is asked for: OR-Tools and ONNX Runtime take a second."""
    from importlib import import_module
    from importlib.util import find_spec

    if (name.startswith("__") and name != "__all__") or "." in name:
        raise AttributeError(f"module 'nnsearch' has no attribute {name!r}")
    if find_spec(f"nnsearch.{name}") is not None:
        return import_module(f"nnsearch.{name}")
    public = import_module("nnsearch.public")
    if name == "__all__" or name in public.__all__:
        return getattr(public, name)
    raise AttributeError(f"module 'nnsearch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__getattr__("__all__")]

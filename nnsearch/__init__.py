"""Learned value ordering for OR-Tools.

A network scores every (variable, value) pair that is still possible; the search tries the best-scored value first. The
set of solutions never changes: exhausting the tree still proves infeasibility.

- ``nnsearch.cp.ValuePhase``: a decision builder for the CP solver, inference at the search nodes
- ``nnsearch.cpsat.guide``: hints and a search strategy for CP-SAT
- ``nnsearch.load_scorer``: a pretrained or exported network
"""

from nnsearch.errors import NNSearchError
from nnsearch.inference.session import load_scorer
from nnsearch.instances import Instance, read_instance
from nnsearch.limits import Limits
from nnsearch.result import SolveResult, Status
from nnsearch.scorer import Scorer

__version__ = "0.1.0"

__all__ = ["Instance", "Limits", "NNSearchError", "Scorer", "SolveResult", "Status", "load_scorer", "read_instance"]

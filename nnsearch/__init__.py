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

from nnsearch.cp.search_options import SearchOptions
from nnsearch.errors import NNSearchError
from nnsearch.limits import Limits
from nnsearch.many.search_task import SearchTask
from nnsearch.many.solve_many import ManyProgress, ManySolves, Solved, solve_many
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems import PartialLatinSquare, read_latin_square, read_problem
from nnsearch.processes.search_processes import SearchProcesses
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.cache import ScoreCache, cached
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Advice, PreparedScorer, Scorer

__version__ = "0.1.0"

__all__ = [
    "Advice",
    "CandidateGraph",
    "Limits",
    "ManyProgress",
    "ManySolves",
    "NNSearchError",
    "PartialLatinSquare",
    "PreparedScorer",
    "ScoreCache",
    "Scorer",
    "SearchOptions",
    "SearchProcesses",
    "SearchTask",
    "SolveResult",
    "Solved",
    "Status",
    "cached",
    "load_scorer",
    "read_latin_square",
    "read_problem",
    "solve_many",
]

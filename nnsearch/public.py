"""What ``import nnsearch`` offers; loaded when it is first asked for."""

from nnsearch.cp.search_options import SearchOptions
from nnsearch.errors import NNSearchError
from nnsearch.limits import Limits
from nnsearch.many.search_processes import SearchProcesses
from nnsearch.many.search_task import SearchTask
from nnsearch.many.solve_many import ManyProgress, ManySolves, Solved, solve_many
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems import PartialLatinSquare, read_latin_square, read_problem
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.cache import ScoreCache, cached
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Advice, PreparedScorer, Scorer
from nnsearch.trial.advise import Verdict, advise

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
    "Verdict",
    "advise",
    "cached",
    "load_scorer",
    "read_latin_square",
    "read_problem",
    "solve_many",
]

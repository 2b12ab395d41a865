"""Learned value ordering in the depth-first CP solver (pywrapcp), with inference at the search nodes."""

from nnsearch.cp.discrepancies import Discrepancies
from nnsearch.cp.policy import InferencePolicy
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.sampling import Sampling
from nnsearch.cp.search import Progress, solve
from nnsearch.cp.search_options import SearchOptions
from nnsearch.cp.trace.events import read_trace
from nnsearch.cp.trace.recorder import Trace
from nnsearch.cp.value_phase import ValuePhase

__all__ = [
    "Discrepancies",
    "InferencePolicy",
    "Progress",
    "Restarts",
    "Sampling",
    "SearchOptions",
    "Trace",
    "ValuePhase",
    "read_trace",
    "solve",
]

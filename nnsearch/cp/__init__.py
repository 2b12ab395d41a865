"""Learned value ordering in the depth-first CP solver (pywrapcp), with inference at the search nodes."""

from nnsearch.cp.search import solve
from nnsearch.cp.value_phase import InferencePolicy, Restarts, Sampling, ValuePhase

__all__ = ["InferencePolicy", "Restarts", "Sampling", "ValuePhase", "solve"]

"""Learned guidance for CP-SAT."""

from nnsearch.cpsat.guidance import guide
from nnsearch.cpsat.search import solve

__all__ = ["guide", "solve"]

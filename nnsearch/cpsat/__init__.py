"""Learned guidance for CP-SAT, and the drop-in solver."""

from nnsearch.cpsat.dives import Dives, solve_by_dives
from nnsearch.cpsat.guidance import guide
from nnsearch.cpsat.race import RaceOptions, RaceReport
from nnsearch.cpsat.search import solve, solve_by_race
from nnsearch.cpsat.solver import CpSolver

__all__ = ["CpSolver", "Dives", "RaceOptions", "RaceReport", "guide", "solve", "solve_by_dives", "solve_by_race"]

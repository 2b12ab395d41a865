"""Learned guidance for CP-SAT, and the drop-in solver."""

from nnsearch.cpsat.at_root.guidance import guide
from nnsearch.cpsat.at_root.preferences import Preferences, prefer
from nnsearch.cpsat.dives import Dived, Dives, solve_by_dives
from nnsearch.cpsat.installed import install, installed, uninstall
from nnsearch.cpsat.racing.options import OnError, RaceOptions
from nnsearch.cpsat.racing.report import RaceReport, Winner
from nnsearch.cpsat.search import solve, solve_by_race
from nnsearch.cpsat.solver import CpSolver

__all__ = [
    "CpSolver",
    "Dived",
    "Dives",
    "OnError",
    "Preferences",
    "RaceOptions",
    "RaceReport",
    "Winner",
    "guide",
    "install",
    "installed",
    "prefer",
    "solve",
    "solve_by_dives",
    "solve_by_race",
    "uninstall",
]

"""Sudokus of any box size."""

from nnsearch.problems.sudoku.problem import Sudoku, generate, random_solution
from nnsearch.problems.sudoku.reading import read_sudokus

__all__ = ["Sudoku", "generate", "random_solution", "read_sudokus"]

"""Queens on a board, some of them placed."""

from nnsearch.problems.n_queens.problem import QueensCompletion, generate, random_solution
from nnsearch.problems.n_queens.reading import read_queens

__all__ = ["QueensCompletion", "generate", "random_solution", "read_queens"]

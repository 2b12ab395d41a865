"""Any CP-SAT model from a file."""

from nnsearch.problems.cp_model.problem import CpModelFile
from nnsearch.problems.cp_model.reading import read_cp_model

__all__ = ["CpModelFile", "read_cp_model"]

"""Any CP-SAT model from a file."""

from nnsearch.problems.cp_model.problem import CpModelFile
from nnsearch.problems.cp_model.reading import ENDINGS, holds_model, read_cp_model
from nnsearch.problems.problem import ProblemFamily

__all__ = ["FAMILY", "CpModelFile"]

FAMILY = ProblemFamily(CpModelFile.problem, ENDINGS, read_cp_model, recognises=holds_model)

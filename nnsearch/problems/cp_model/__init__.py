"""Any CP-SAT model from a file."""

from nnsearch.problems.cp_model.problem import CpModelFile
from nnsearch.problems.cp_model.reading import BINARY_ENDINGS, TEXT_ENDINGS, read_cp_model
from nnsearch.problems.problem import ProblemFamily

__all__ = ["FAMILY", "CpModelFile"]

FAMILY = ProblemFamily(name=CpModelFile.problem, endings=(*BINARY_ENDINGS, *TEXT_ENDINGS), read=read_cp_model)

"""Sudokus of any box size."""

from nnsearch.problems.family import ProblemFamily
from nnsearch.problems.files.json_lines import JsonForm
from nnsearch.problems.files.source import shown
from nnsearch.problems.sudoku.generating import generate, random_solution
from nnsearch.problems.sudoku.problem import Sudoku
from nnsearch.problems.sudoku.reading import read_characters, read_json

__all__ = ["FAMILY", "Sudoku", "generate", "random_solution"]

FAMILY = ProblemFamily(
    name=Sudoku.problem,
    endings=(".sdk", ".sdm", ".sudoku", ".txt"),
    numbered=(".sdm", ".sudoku", ".txt"),
    read=read_characters,
    json=JsonForm(
        title="a sudoku",
        fits=lambda fields: "placed" not in fields and fields.get("box") is not None,
        reason=lambda fields: f"its box is {shown(fields['box'])}, not null",
        read=read_json,
    ),
    generate=generate,
    sizes={"BOX": int, "HOLES": float},
)

"""Sudokus of any box size."""

from nnsearch.problems.problem import ProblemFamily
from nnsearch.problems.sudoku.generating import generate, random_solution
from nnsearch.problems.sudoku.problem import Sudoku, SudokuGrid
from nnsearch.problems.sudoku.reading import read_characters, read_json

__all__ = ["FAMILY", "Sudoku", "SudokuGrid", "generate", "random_solution"]

FAMILY = ProblemFamily(
    name=Sudoku.problem,
    endings=(".sdk", ".sdm", ".sudoku", ".txt"),
    numbered=(".sdm", ".sudoku", ".txt"),
    read=read_characters,
    read_json=read_json,
    is_json=lambda fields: "placed" not in fields and fields.get("box") is not None,
    json_words=("a sudoku", "its box is {box}, not null"),
    one_size=SudokuGrid,
    generate=generate,
    sizes={"BOX": int, "HOLES": float},
)

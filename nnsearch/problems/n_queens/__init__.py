"""Queens on a board, some of them placed."""

from nnsearch.problems.family import ProblemFamily
from nnsearch.problems.files.json_lines import JsonForm
from nnsearch.problems.n_queens.generating import generate, random_solution
from nnsearch.problems.n_queens.problem import QueensCompletion
from nnsearch.problems.n_queens.reading import read_board, read_json

__all__ = ["FAMILY", "QueensCompletion", "generate", "random_solution"]

FAMILY = ProblemFamily(
    name=QueensCompletion.problem,
    endings=(".txt",),
    read=read_board,
    json=JsonForm(
        title="n-queens completion",
        fits=lambda fields: "placed" in fields,
        reason=lambda _: 'it has "placed"',
        read=read_json,
    ),
    generate=generate,
    sizes={"SIZE": int, "PLACED": int},
)

"""Queens on a board, some of them placed."""

from nnsearch.problems.n_queens.generating import generate, random_solution
from nnsearch.problems.n_queens.problem import QueensBoard, QueensCompletion
from nnsearch.problems.n_queens.reading import read_board, read_json
from nnsearch.problems.problem import ProblemFamily

__all__ = ["FAMILY", "QueensBoard", "QueensCompletion", "generate", "random_solution"]

FAMILY = ProblemFamily(
    name=QueensCompletion.problem,
    endings=(".txt",),
    read=read_board,
    read_json=read_json,
    is_json=lambda fields: "placed" in fields,
    json_words=("n-queens completion", 'it has "placed"'),
    one_size=QueensBoard,
    generate=generate,
    sizes={"SIZE": int, "PLACED": int},
)

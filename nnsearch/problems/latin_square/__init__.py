"""Latin squares and quasigroup completion."""

from nnsearch.problems.latin_square.generating import generate
from nnsearch.problems.latin_square.problem import LatinSquare, PartialLatinSquare
from nnsearch.problems.latin_square.reading import read_dzn_or_pls, read_json
from nnsearch.problems.problem import ProblemFamily

__all__ = ["FAMILY", "LatinSquare", "PartialLatinSquare", "generate"]

FAMILY = ProblemFamily(
    name=LatinSquare.name,
    endings=(".dzn", ".pls"),
    read=read_dzn_or_pls,
    read_json=read_json,
    is_json=lambda fields: "placed" not in fields and fields.get("box") is None,
    json_words=("a Latin square", "its box is null or absent"),
    one_size=LatinSquare,
    generate=generate,
    sizes={"ORDER": int, "HOLES": float},
)

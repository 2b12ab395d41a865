"""Latin squares and quasigroup completion."""

from nnsearch.problems.family import ProblemFamily
from nnsearch.problems.files.json_lines import JsonForm
from nnsearch.problems.latin_square.generating import generate
from nnsearch.problems.latin_square.problem import LatinSquare, PartialLatinSquare
from nnsearch.problems.latin_square.reading import read_dzn_or_pls, read_json

__all__ = ["FAMILY", "LatinSquare", "PartialLatinSquare", "generate"]

FAMILY = ProblemFamily(
    name=LatinSquare.name,
    endings=(".dzn", ".pls"),
    read=read_dzn_or_pls,
    json=JsonForm(
        title="a Latin square",
        fits=lambda fields: "placed" not in fields and fields.get("box") is None,
        reason=lambda _: "its box is null or absent",
        read=read_json,
    ),
    generate=generate,
    sizes={"ORDER": int, "HOLES": float},
)

"""One instance of any problem family from any file that holds one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nnsearch.errors import ConfigError
from nnsearch.problems.cp_model import reading as cp_model
from nnsearch.problems.files.json_lines import JSON_ENDING, family, read_objects
from nnsearch.problems.files.source import Spec, check_file, error, read_text, the_only_one
from nnsearch.problems.graph_colouring import reading as graph_colouring
from nnsearch.problems.latin_square import reading as latin_square
from nnsearch.problems.n_queens import reading as n_queens
from nnsearch.problems.problem import Problem
from nnsearch.problems.sudoku import reading as sudoku

_ENDINGS = {
    "latin-square": latin_square.ENDINGS,
    "sudoku": sudoku.ENDINGS,
    "n-queens": n_queens.ENDINGS,
    "graph-colouring": graph_colouring.ENDINGS,
    "cp-model": cp_model.ENDINGS,
}
PROBLEMS = tuple(_ENDINGS)


def read_problem(spec: str | Path, problem: str | None = None, num_colours: int | None = None) -> Problem:
    """Read one instance.

    Args:
        spec: a file; ``FILE#NAME`` or ``FILE#LINE`` where it has several instances (see :mod:`nnsearch.problems`).
        problem: one of ``PROBLEMS``; None is the family that the ending, or the JSON object, tells.
        num_colours: for graph colouring, and only there.

    Raises:
        InstanceError: the file cannot be read, is malformed, has several instances and ``spec`` selects none, or does
            not tell its family.
        ConfigError: an unknown problem, a graph without a number of colours, or colours for another family.
    """
    return the_only_one(Spec.parse(spec), read_problems(spec, problem, num_colours))


def read_problems(
    spec: str | Path, problem: str | None = None, num_colours: int | None = None
) -> Mapping[str, Problem]:
    """Read all instances that a spec stands for, at least one, by what selects them after ``#``.

    Arguments and errors are those of :func:`read_problem`; a ``.jsonl`` file without a name stands for all of its
    objects of the family.
    """
    chosen = problem_of(spec) if problem is None else problem
    if chosen not in PROBLEMS:
        raise ConfigError(f"problem: expected one of {', '.join(PROBLEMS)}, got {chosen!r}")
    if num_colours is not None and chosen != "graph-colouring":
        raise ConfigError(f"--colours is for graph-colouring, and {spec} is a {chosen}; leave it out")
    match chosen:
        case "sudoku":
            return sudoku.read_sudokus(spec)
        case "n-queens":
            return n_queens.read_queens(spec)
        case "graph-colouring":
            if num_colours is None:
                raise ConfigError(f"{spec}: expected a number of colours, got none; add --colours K")
            return {"": graph_colouring.read_graph(Path(spec), num_colours)}
        case "cp-model":
            return {"": cp_model.read_cp_model(Path(spec))}
        case _:
            return latin_square.read_latin_squares(spec)


def problem_of(spec: str | Path) -> str:
    """Return the problem family that the ending of a file, or its JSON object, tells.

    Raises:
        InstanceError: no family has this ending, or several have it; or a ``.jsonl`` file is malformed.
    """
    source = Spec.parse(spec)
    path, ending = source.path, source.path.suffix.lower()
    check_file(path, dict.fromkeys(ending for endings in _ENDINGS.values() for ending in endings))
    if ending == JSON_ENDING:
        objects = source.select(read_objects(path, read_text(path, [JSON_ENDING])))
        families = [family(content) for content in objects.values()]
        # A file of several families was one of Latin squares before there were others.
        squares = latin_square.PartialLatinSquare.problem
        return squares if squares in families else families[0]
    fitting = [problem for problem, endings in _ENDINGS.items() if ending in endings]
    if len(fitting) > 1:
        raise error(path, None, f"expected a file whose ending tells the problem, got {ending}; add --problem")
    return fitting[0]

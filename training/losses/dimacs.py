"""Clauses as files: the DIMACS format of SAT solvers.

Lines ``c ...`` are comments; the line ``p cnf ATOMS CLAUSES`` comes before the clauses; a clause is a list of literals
that ends with 0, over one or several lines. A line ``%`` ends the file, as in SATLIB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnsearch.problems.files.source import check_file, error, integer, read_text, shown
from training.losses.cnf import Cnf

ENDINGS = (".cnf", ".dimacs")


def read_dimacs(path: Path) -> Cnf:
    """Read a CNF.

    Args:
        path: a ``.cnf`` or ``.dimacs`` file.

    Raises:
        InstanceError: the file cannot be read or is malformed; the message names file and line.
    """
    check_file(path, ENDINGS)
    sizes: tuple[int, int] | None = None
    clauses: list[list[int]] = []
    clause: list[int] = []
    last = 0
    for line, content in enumerate(read_text(path).split("\n"), start=1):
        words = content.split()
        if not words or words[0].startswith("c"):
            continue
        if words[0] == "%":
            break
        last = line
        if words[0] == "p":
            if sizes is not None:
                raise error(path, line, f"expected one problem line, got a second: {shown(content.strip())}")
            sizes = _sizes(path, line, words)
            continue
        if sizes is None:
            raise error(path, line, f"expected 'p cnf ATOMS CLAUSES' before the clauses, got {shown(content.strip())}")
        for word in words:
            literal = integer(word)
            if not isinstance(literal, int) or abs(literal) > sizes[0]:
                raise error(path, line, f"expected literals 1..{sizes[0]}, their opposites or 0, got {shown(word)}")
            if literal:
                clause.append(literal)
            else:
                clauses.append(clause)
                clause = []
                if len(clauses) > sizes[1]:
                    raise error(path, line, f"expected {sizes[1]} clauses, got more")
    if sizes is None:
        raise error(path, None, "expected a line 'p cnf ATOMS CLAUSES', got none")
    if clause:
        raise error(path, last, "expected a 0 at the end of the last clause, got the end of the file")
    if len(clauses) < sizes[1]:
        raise error(path, last, f"expected {sizes[1]} clauses, got {len(clauses)}; is the file cut?")
    return Cnf.from_clauses(sizes[0], clauses)


def write_dimacs(cnf: Cnf, path: Path, comments: Sequence[str] = ()) -> None:
    """Write a CNF; what its atoms mean is not in the file, but for comments.

    Args:
        cnf: the clauses.
        path: the file; it is replaced in one step.
        comments: lines for people, at the beginning.
    """
    lines = [f"c {' '.join(comment.split())}" for comment in comments]
    lines.append(f"p cnf {cnf.num_atoms} {cnf.num_clauses}")
    lines += [" ".join(map(str, [*clause, 0])) for clause in cnf.clauses()]
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)


def _sizes(path: Path, line: int, words: list[str]) -> tuple[int, int]:
    numbers = [number for word in words[2:] if isinstance(number := integer(word), int) and number >= 0]
    if len(words) != 4 or words[1] != "cnf" or len(numbers) != 2:
        raise error(path, line, f"expected 'p cnf ATOMS CLAUSES', got {shown(' '.join(words))}")
    return numbers[0], numbers[1]

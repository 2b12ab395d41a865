r"""Problems: a folder each (model, reader, generator, checker, rendering), and the reader of any of their files.

The ending of a file tells its format. Endings mean the same in upper and in lower case, and every file may be
compressed by gzip (``.pb.gz``).

``.dzn``
    A partial Latin square as MiniZinc data, as CSPLib problem 067 has it:
    ``N = 3; start = [| 1, 0, _ | ... | ... |];``. Values are 1..N, ``0`` or ``_`` is a hole, ``n`` may stand for ``N``.
    Comments and every other assignment are ignored.
``.pls``
    A partial Latin square in the format of lsencode, the generator of Gomes, Kautz and Ruan: a line ``order N``, then
    one line per row. Values are 0..N-1 and -1 is a hole; they are shifted to 1..N and 0 here. Lines before ``order N``
    are ignored, as lsencode does.
``.sdk``, ``.sdm``, ``.sudoku``, ``.txt``
    Sudokus of order 4, 9, 16 or 25, one character a cell; lines that begin with ``#`` are ignored. ``.sdk`` is one
    sudoku, one line per row; the others have one sudoku per line, row after row, and ``FILE.sdm#LINE`` is one of them
    (https://www.sudocue.net/fileformats.php). Values are 1..9, then A = 10, B = 11 and so on (G = 16, P = 25), in upper
    or lower case; ``.`` or ``0`` is a hole. A sudoku with both is refused, for in files of values 0..F only ``.`` is
    one. ``.txt`` needs ``--problem``.
``.txt`` with ``--problem n-queens``
    A board, one line per row: ``Q`` is a queen and ``.`` an empty square; spaces between them are ignored.
``.col``
    A graph in the format of the second DIMACS challenge: comments ``c ...``, one line ``p edge VERTICES EDGES``, then a
    line ``e U V`` per edge; vertices are 1..VERTICES (https://mat.gsia.cmu.edu/COLOR/general/ccformat.ps). Many files
    have each edge in both directions, or another number of edges than announced: an edge counts once, and ``EDGES``
    and lines of other descriptors (n, d, v, x) are ignored. The number of colours is not in the file.
``.pb``, ``.binpb``, ``.bin``, ``.pbtxt``, ``.textproto``, ``.txt``
    Any CP-SAT model: a CpModelProto, binary or text, as ``CpModel.export_to_file`` writes it. Its content tells which,
    and that it is one, whatever the ending.
``.mps``, ``.lp``
    A linear program whose variables are all integers (or have no choice but to be), as MPS or as lp_solve's LP, read by
    OR-Tools' importers. Its decimals are fractions (0.1 is 1/10), and nothing is rounded; see
    :mod:`nnsearch.problems.cp_model.mixed_integer`.
``.jsonl``
    One JSON object per line, each with a ``name``; ``FILE.jsonl#NAME`` is one of them. A Latin square has ``order`` and
    ``grid`` (a list of rows; values 1..N, 0 = hole); a sudoku also ``box``, which is null or absent for a Latin square;
    n-queens completion has ``size`` and ``placed``, a list of [row, column], which count from 0.

Every error is one line, ``FILE:LINE: expected ..., got ...``, without ``LINE`` when the whole file is at fault. Lines,
rows and columns count from 1 (rows and columns of queens from 0), and values are quoted as the file has them.
"""

from nnsearch.problems.families import FAMILIES, PROBLEMS
from nnsearch.problems.latin_square.problem import PartialLatinSquare
from nnsearch.problems.problem import Problem, ProblemFamily
from nnsearch.problems.reading import read_latin_square, read_latin_squares, read_problem, read_problems

__all__ = [
    "FAMILIES",
    "PROBLEMS",
    "PartialLatinSquare",
    "Problem",
    "ProblemFamily",
    "read_latin_square",
    "read_latin_squares",
    "read_problem",
    "read_problems",
]

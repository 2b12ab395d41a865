"""The instances that arms are compared on, as options of a command line."""

# No annotations as text: cyclopts would look for their names in the modules of derived classes.

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from benchmarks.instances import instance_sets
from benchmarks.instances.squares import fresh_quasigroups
from benchmarks.options import Options
from nnsearch.errors import ConfigError
from nnsearch.problems import PROBLEMS
from nnsearch.problems.latin_square.generating import Pattern
from training.config import at_least


@Parameter(name="*")
@dataclass(frozen=True)
class Instances(Options):
    """The instances that arms are compared on.

    Attributes:
        order: of generated quasigroups with holes (default: 10)
        holes: share of their cells that are holes
        pattern: how holes are spread
        generate: other generated instances: latin-square:ORDER:HOLES, sudoku:BOX:HOLES, n-queens:SIZE:PLACED,
            graph-colouring:VERTICES:COLOURS:DEGREE
        count: instances of each generated kind (default: 20, or 0 with --instances)
        instances: files of any format that nnsearch reads, FILE#NAME, folders, patterns such as 'folder/*.dzn'
        only: of the files, instances whose name has one of these texts
        first: of the files, the first N instances of each set
        problem: of the files (default: the family that the ending tells)
        colours: number of colours, for .col files
        seed: of the instances, and of what is measured on them
    """

    order: Annotated[tuple[int, ...] | None, Parameter(name=("--order", "--orders"))] = None
    holes: float = 0.42
    pattern: Pattern = "balanced"
    generate: tuple[str, ...] = ()
    count: int | None = None
    instances: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    first: int | None = None
    problem: str | None = None
    colours: int | None = None
    seed: Annotated[int, at_least(0)] = 1

    def cases(self) -> list[instance_sets.Case]:
        """Return the instances, generated ones first.

        Raises:
            ConfigError: there are none, or an option is out of range.
            InstanceError: a file cannot be read.
        """
        if self.problem not in (None, *PROBLEMS):
            raise ConfigError(f"--problem: expected one of {', '.join(PROBLEMS)}, got {self.problem!r}")
        cases = instance_sets.read(
            self.instances, only=self.only, first=self.first, problem=self.problem, num_colours=self.colours
        )
        orders = self.order
        if orders is None:
            orders = () if self.generate or (cases and self.count is None) else (10,)
        count = 20 if self.count is None else self.count
        if count < 0 or not (count or cases):
            raise ConfigError(f"expected instances: a --count of 1 or more, or --instances; got --count {count}")
        planted: list[instance_sets.Case] = []
        if count:
            for order in dict.fromkeys(orders):
                squares = fresh_quasigroups(order, self.holes, count, self.seed, self.pattern)
                planted += [instance_sets.Case(square, True) for square in squares]
            for spec in dict.fromkeys(self.generate):
                planted += instance_sets.generate(spec, count, self.seed)
        return planted + cases

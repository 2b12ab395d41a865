"""Any CP-SAT model, of no family that nnsearch knows: all of its integer variables, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ortools.sat.python import cp_model

from nnsearch.errors import InstanceError
from nnsearch.model.refusal import reason_of_refusal
from nnsearch.model.variables import all_variables, fix
from nnsearch.plain_solver import plain_solver
from nnsearch.problems.rendering import highlighted

_SHOWN = 50  # variables; of a model with more, those that are 0 are counted


@dataclass(frozen=True, eq=False)
class CpModelFile:
    """A CP-SAT model to solve.

    Args:
        name: The name for people.
        model: The model, which is never changed.

    Raises:
        InstanceError: CP-SAT finds the model invalid.
    """

    name: str
    model: cp_model.CpModel

    problem: ClassVar[str] = "cp-model"

    def __post_init__(self) -> None:
        invalid = reason_of_refusal(self.model)
        if invalid:
            raise InstanceError(f"expected a valid CP-SAT model, got: {invalid[:150]}")

    def __reduce__(self) -> tuple[Callable[..., CpModelFile], tuple[str, str]]:
        return _of_text, (self.name, str(self.model.proto))  # a CpModel cannot be pickled, its text can

    def build(self) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Return a copy of the model, and all of its variables."""
        model = self.model.clone()
        return model, all_variables(model)

    def is_solution(self, values: Sequence[int]) -> bool:
        """Tell whether the values of all variables satisfy every constraint.

        CP-SAT itself evaluates its model, with every variable fixed to its value: there is no second implementation of
        all of its constraints to compare with. Whether a solution is optimal is not asked.
        """
        model = self.model.clone()
        if len(values) != len(model.proto.variables):
            return False
        for variable, value in zip(model.proto.variables, values, strict=True):
            if not cp_model.Domain.from_flat_intervals(list(variable.domain)).contains(value):
                return False
            fix(variable, value)
        model.clear_objective()
        model.clear_hints()
        solver = plain_solver()
        solver.parameters.num_workers = 1
        solver.parameters.catch_sigint_signal = False  # it would leave Ctrl-C to the system
        return solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)

    def render(self, values: Sequence[int] | None, colour: bool) -> str:
        """Return ``name = value`` or ``name in domain``, one a line; see :class:`nnsearch.problems.Problem`.

        Zeros of a large model are summed up.
        """
        lines = []
        large = len(self.model.proto.variables) > _SHOWN
        zeros = 0
        for index, variable in enumerate(self.model.proto.variables):
            name = " ".join(variable.name.split()) or f"v{index}"
            domain = list(variable.domain)
            fixed = domain[0] == domain[-1]
            if values is None:
                parts = [f"{low}..{high}" for low, high in zip(domain[::2], domain[1::2], strict=True)]
                lines.append(f"{name} = {domain[0]}" if fixed else f"{name} in {', '.join(parts)}")
            elif large and not values[index]:
                zeros += 1
            else:
                value = str(values[index])
                lines.append(f"{name} = {value if fixed or not colour else highlighted(value)}")
        if zeros:
            lines.append(f"and {zeros} variables that are 0; --out FILE writes all")
        return "\n".join(lines)

    def describe(self) -> str:
        """Return the number of variables and of constraints."""
        objective = ", an objective" if self.model.has_objective() else ""
        return (
            f"{len(self.model.proto.variables)} variables, {len(self.model.proto.constraints)} constraints{objective}"
        )


def _of_text(name: str, text: str) -> CpModelFile:
    model = cp_model.CpModel()
    model.proto.parse_text_format(text)
    return CpModelFile(name, model)

"""A SELECT over one collection: its text, and how its parameters are got from the constants of a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

SqlValue = None | int | float | str
View = Callable[[Any], SqlValue]
"""What SQLite is given of a constant."""


def itself(value: Any) -> SqlValue:
    """Return a constant that SQLite takes as it is."""
    assert value is None or isinstance(value, (int, float, str))
    return value


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a statement: a view of a constant of the run, or always the same value."""

    constant: int | None
    view: View | None
    fixed: SqlValue = None

    def value(self, constants: Sequence[Any]) -> SqlValue:
        """Return what is bound in a run with these constants."""
        return self.fixed if self.constant is None or self.view is None else self.view(constants[self.constant])


class Parameters:
    """The parameters of a statement that is being written; one that is not used in the end does no harm."""

    def __init__(self) -> None:
        self.all: list[Parameter] = []

    def constant(self, number: int, view: View = itself) -> str:
        """Return the placeholder of a constant."""
        return self._placeholder(Parameter(number, view))

    def fixed(self, value: SqlValue) -> str:
        """Return the placeholder of a value."""
        return self._placeholder(Parameter(None, None, value))

    def _placeholder(self, parameter: Parameter) -> str:
        for place, known in enumerate(self.all):
            if known == parameter and type(known.fixed) is type(parameter.fixed):
                return f":p{place}"
        self.all.append(parameter)
        return f":p{len(self.all) - 1}"


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT over the documents of one table."""

    table: str
    columns: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    limit: str | None = None
    parameters: tuple[Parameter, ...] = ()
    statement: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statement", self._text())

    def _text(self) -> str:
        clauses = [
            f"SELECT {', '.join(self.columns)}",
            f"FROM {self.table}",
            f"WHERE {' AND '.join(['body IS NOT NULL', *self.conditions])}",
        ]
        if self.groups:
            clauses.append(f"GROUP BY {', '.join(self.groups)}")
        if self.order:
            clauses.append(f"ORDER BY {', '.join(self.order)}")
        if self.limit is not None:
            clauses.append(f"LIMIT {self.limit}")
        return "\n".join(clauses)

    def values(self, constants: Sequence[Any]) -> dict[str, SqlValue]:
        """Return the parameters of a run by name."""
        return {f"p{place}": parameter.value(constants) for place, parameter in enumerate(self.parameters)}

"""What the split of a plan depends on: the constants of the run and the tables of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdbql.data_source import StoredTable
from sdbql.sqlite_constants import ConstantKind, Constants
from sdbql.sqlite_operands import Reading
from sdbql.syntax_tree import CollectionBind, CollectionRead, Expression


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The plan's constants with their kinds in this run, and the store's tables.

    `bound_names` are the collections that `@@name` stands for.
    """

    constants: Constants
    kinds: Sequence[ConstantKind]
    tables: Mapping[str, StoredTable]
    bound_names: Mapping[str, str]

    def reading(self, variable: str, source: Expression) -> Reading | None:
        """Return the reading of a loop over a stored collection, None for any other loop."""
        match source:
            case CollectionRead(name=name):
                pass
            case CollectionBind(name=bind):
                name = self.bound_names[bind]
            case _:
                return None
        table = self.tables.get(name)
        return None if table is None else Reading(variable, name, table)

"""What a comparison in SQL can be made of: a path into a stored document, its key, its id.

Each operand offers the SQL of its value (`->>`: true is 1, an array its text, null and missing are NULL), of its type and
of its JSON text; only together they say which SDBQL value is meant.
"""

from dataclasses import dataclass

from sdbql.data_source import StoredTable
from sdbql.sqlite_paths import Path, index_key, index_rank, path_literal
from sdbql.sqlite_select import Parameters
from sdbql.syntax_tree import Index, Literal, Member, Node, Variable

DOCUMENT_KEY, DOCUMENT_ID = "_key", "_id"


@dataclass(frozen=True, slots=True)
class Reading:
    """The loop over a stored collection: its variable stands for one row of the table."""

    variable: str
    collection: str
    table: StoredTable

    @property
    def id_prefix(self) -> str:
        """What stands before the key in the id of a document."""
        return f"{self.collection}/"


@dataclass(frozen=True, slots=True)
class Operand:
    """A value in a stored document, as SQL. `is_text` is known of keys and ids: they are always strings."""

    value: str
    kind: str
    json: str
    is_text: bool = False
    id_prefix: str = ""
    index_key: str | None = None
    index_rank: str | None = None

    @property
    def rank(self) -> str:
        """The SQL of the place of its type in the order of types, numbers and strings in one."""
        if self.is_text:
            return "2"
        return (
            f"CASE {self.kind} WHEN 'text' THEN 2 WHEN 'integer' THEN 2 WHEN 'real' THEN 2"
            " WHEN 'array' THEN 3 WHEN 'object' THEN 4 WHEN 'true' THEN 1 WHEN 'false' THEN 1 ELSE 0 END"
        )


def path_of(node: Node) -> tuple[str, Path] | None:
    """Return the variable and the names of `u.a.b` or `u["a"].b`, None for anything else."""
    names: list[str] = []
    while True:
        match node:
            case Member(base=base, name=name):
                names.append(name)
                node = base
            case Index(base=base, index=Literal(value=str() as name)):
                names.append(name)
                node = base
            case Variable(name=name):
                return name, tuple(reversed(names))
            case _:
                return None


def operand(reading: Reading, path: Path, parameters: Parameters) -> Operand | None:
    """Return the operand for a path into a document, None when it has no SQL."""
    match path:
        case (name,) if name == DOCUMENT_KEY:
            return Operand("k", "'text'", "json_quote(k)", is_text=True)
        case (name,) if name == DOCUMENT_ID:
            text = f"({parameters.fixed(reading.id_prefix)} || k)"
            return Operand(text, "'text'", f"json_quote{text}", is_text=True, id_prefix=reading.id_prefix)
        case (name, *_) if name in (DOCUMENT_KEY, DOCUMENT_ID):
            return None
    literal = path_literal(path)
    if literal is None:
        return None
    is_indexed = path in reading.table.indexed
    return Operand(
        f"body ->> {literal}",
        f"json_type(body, {literal})",
        f"body -> {literal}",
        index_key=index_key(literal) if is_indexed else None,
        index_rank=index_rank(literal) if is_indexed else None,
    )

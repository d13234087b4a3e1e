"""Attribute paths as SQL over JSONB: the one place where a name from a query becomes SQL text.

A collection is a table with a key column `k` and a JSONB column `body`; a row whose body is NULL is no document. Only
names that cannot end a quotation become SQL; a query that uses another name is interpreted.

The *index key* of a path is an SQL value whose order is the order of the language, so that one index serves equality,
ranges, SORT and COLLECT: a number or a string is itself, an array or an object is a blob (SQLite: numbers < strings <
blobs), and null, false and true are minus infinity, told apart by the *index rank* that follows it. Two arrays, or two
objects, are only grouped by it, not ordered.

>>> json_path(("address", "city"))
'$."address"."city"'
>>> json_path(('say "hi"',)) is None
True
"""

PATH_DEPTH_MAX = 64
NAME_LENGTH_MAX = 1_000

Path = tuple[str, ...]
"""The attribute names from a document to a value in it; at least one."""

INDEX_CONDITION = "body IS NOT NULL"
"""The WHERE of every index on a path: tombstones are not in it."""


def json_path(path: Path) -> str | None:
    """Return the path as SQLite's JSON functions read it, or None when it has no safe form."""
    if not 0 < len(path) <= PATH_DEPTH_MAX or not all(_is_expressible(name) for name in path):
        return None
    return "$" + "".join([f'."{name}"' for name in path])


def path_literal(path: Path) -> str | None:
    """Return the path as an SQL string literal, or None when it has no safe form."""
    text = json_path(path)
    return None if text is None else "'" + text.replace("'", "''") + "'"


def index_expressions(path: Path) -> tuple[str, ...]:
    """Return the columns of an index on a path, to be made with `INDEX_CONDITION`. Raises ValueError.

    They must be used as they are: SQLite compares an index with a query by its expressions.
    """
    literal = path_literal(path)
    if literal is None:
        raise ValueError(
            f"{path!r}: no index can be made on it; a path has 1 to {PATH_DEPTH_MAX} names "
            'without quotation marks ("), backslashes and control characters'
        )
    return (index_key(literal), index_rank(literal), "k")


def index_key(literal: str, table: str = "") -> str:
    """Return the SQL of the index key; `literal` is a `path_literal`, `table` an alias with its dot, such as `t1.`."""
    kind, body = f"json_type({table}body, {literal})", f"{table}body"
    return (
        f"CASE WHEN {kind} IN ('text', 'integer', 'real') THEN {body} ->> {literal}"
        f" WHEN {kind} IN ('array', 'object') THEN CAST({body} -> {literal} AS BLOB)"
        " ELSE -9e999 END"
    )


def index_rank(literal: str, table: str = "") -> str:
    """Return the SQL of the index rank: 0, but 1 for false and 2 for true."""
    return f"CASE json_type({table}body, {literal}) WHEN 'true' THEN 2 WHEN 'false' THEN 1 ELSE 0 END"


def _is_expressible(name: str) -> bool:
    """Tell whether a name can stand between the quotation marks of a JSON path as it is."""
    if len(name) > NAME_LENGTH_MAX or '"' in name or "\\" in name:
        return False
    return not any(character < " " or "\ud800" <= character <= "\udfff" for character in name)

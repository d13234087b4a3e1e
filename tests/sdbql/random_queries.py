"""Random documents and random queries over them, for comparing the two executors.

The values are those that are easily confused: booleans beside 0 and 1, strings that look like numbers or like JSON,
numbers next to 2^53 and 2^63, -0.0, empty and nested containers, characters around the surrogates, NUL.
"""

import random
from dataclasses import dataclass
from typing import Any

SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 2, 18, 0.0, -0.0, 1.0, 0.5, -0.5, 1e308, -1e308, 5e-324, 2**53, 2**53 + 1, float(2**53),
    2**63 - 1, -(2**63), 9.3e18, "", "0", "1", "true", "null", "a", "A", "abc", "aXc", "b", "z", "[", "[]", "[1]", "[2",
    "\\", "]", "{", "{}", '{"a":1}', "|", "~", "é", "\uffff", "😀", "a\x00b", "a\x00", "\x00", "2024-01-02", "100%", "_",
]  # fmt: skip
DEEP: list[Any] = [
    [], {}, [1], [1.0], [True], [None], ["a"], [[1]], [0, "a", None, True], ["a", "b"], [{"a": 1}], {"a": 1}, {"a": 1.0},
    {"b": None}, {"a": None, "b": 1}, {"b": 1, "a": None}, {"a": {"b": [1]}}, {"x": "a"}, [2**53 + 1], [[], {}], {"": 0},
]  # fmt: skip
ALIKE: list[list[Any]] = [
    [True, 1, 1.0, "1", "true", [1], [True]], [False, 0, 0.0, -0.0, "0", None, ""], ["[1]", [1], [1.0], "[", [True], "[2"],
    ['{"a":1}', {"a": 1}, {"a": 1.0}, "{", "{}", {}], [2**53, 2**53 + 1, float(2**53), 2**63 - 1],
    [[], {}, "[]", "{}", "", 0], ["a", "abc", "aXc", "A", "a\x00b", "z", "é"], [0.5, 1, 2, 18, -1, -0.5],
    [None, {"b": None}, {}, [None], {"a": None, "b": 1}],
]  # fmt: skip
"""Values that are taken for each other where a rule is broken."""
NAMES = ["a", "b", "c", "n", "a b", "é", "order"]
PATHS = ["u.a", "u.a", "u.b", "u.b", "u.c", "u.n.a", "u.n.b", "u['a b']", "u.é", "u.order", "u._key", "u._id", "u.missing",
         "u.a.b", "u.n"]  # fmt: skip
COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
KEYS = ["a", "B", "aa", "10", "9", "[1]", "{", "é", "😀", "\uffff", "0", "z", "-", "a:b"]
KEY_ATOMS = [
    "true",
    "@flag == 1",
    "u._key >= 'a'",
    "u._id == 'users/a'",
    "STARTS_WITH(u._key, 'a')",
    "STARTS_WITH(u._key, @flag)",
    "u._key LIKE 'a%'",
    "u._key LIKE '\uffff%'",
]
INDEXABLE = [("a",), ("b",), ("n", "a"), ("a b",), ("ref",)]


@dataclass
class Case:
    """One query with its binds."""

    text: str
    binds: dict[str, Any]


class Generator:
    """Everything random, from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._binds: dict[str, Any] = {}
        self._theme: list[Any] = []

    # --- documents

    def documents(self) -> dict[str, list[dict[str, Any]]]:
        """Return two collections in the order in which they are written; from now on queries fit them."""
        self._theme = [*self._pick(ALIKE), *self._pick(ALIKE), self._pick(SCALARS), self._pick(DEEP)]
        return {"users": self._collection(30), "orders": self._collection(12), "none": []}

    def indexes(self) -> dict[str, list[tuple[str, ...]]]:
        """Return the indexes of the collections."""
        return {name: [path for path in INDEXABLE if self._chance(0.4)] for name in ("users", "orders")}

    def _collection(self, most: int) -> list[dict[str, Any]]:
        keys = list({*KEYS, *[f"k{number}" for number in range(most)]})
        self._random.shuffle(keys)
        return [self._document(key) for key in keys[: self._random.randrange(most // 2, most + 1)]]

    def _document(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = {"_key": key}
        for name in NAMES:
            if self._chance(0.7):
                document[name] = self.value()
        if self._chance(0.5):
            document["n"] = {name: self.value() for name in ("a", "b") if self._chance(0.7)}
        document["ref"] = self._pick(KEYS) if self._chance(0.7) else self.value()
        return document

    def value(self) -> Any:
        """Return a value that is easily taken for another."""
        if self._chance(0.75):
            return self._pick(self._theme)
        if self._chance(0.15):
            return self._pick(DEEP)
        return self._random.randrange(30) if self._chance(0.15) else self._pick(SCALARS)

    # --- queries

    def case(self) -> Case:
        """Return a query."""
        self._binds = {}
        text = self._pick([self._simple, self._simple, self._simple, self._grouped, self._joined, self._left_alone])()
        return Case(text, self._binds)

    def _simple(self) -> str:
        distinct = "DISTINCT " if self._chance(0.15) else ""
        return f"{self._rows()} RETURN {distinct}{self._result()}"

    def _rows(self) -> str:
        parts = [self._pick(["", "", "", "LET m = 18 ", "LET m = @m LET l = [1, m] "])]
        if "@m" in parts[0]:
            self._binds["m"] = self.value()
        names = "m" in parts[0]
        parts.append(
            self._pick(["FOR u IN users", "FOR u IN users", "FOR u IN orders", "FOR u IN @@c"] * 5 + ["FOR u IN none"])
        )
        if "@@c" in parts[1]:
            self._binds["@c"] = self._pick(["users", "orders"])
        for _ in range(self._pick([0, 1, 1, 1, 2])):
            parts.append(f"FILTER {self._condition(2)}" if not names or self._chance(0.6) else f"FILTER {self._path()} >= m")
        if self._chance(0.2):
            parts.append(f"LET x = {self._path()} FILTER x {self._pick(COMPARISONS)} {self._constant()}")
        if self._chance(0.5):
            parts.append(self._sort())
        if self._chance(0.4):
            parts.append(self._limit())
            if self._chance(0.2):
                parts.append(f"FILTER {self._condition(1)}")
        return " ".join(parts)

    def _sort(self) -> str:
        keys = [f"{self._path()}{self._pick(['', ' DESC'])}" for _ in range(self._random.randrange(1, 3))]
        return f"SORT {', '.join(keys)}"

    def _limit(self) -> str:
        self._binds["n"] = self._pick([0, 1, 3, 3, 5, 100, 2.0, -1, "x", 1.5]) if self._chance(0.3) else 3
        return self._pick(["LIMIT 2", "LIMIT 1, 3", "LIMIT @n", "LIMIT 1 + 1, @n", "LIMIT 0", "LIMIT 100"])

    def _grouped(self) -> str:
        keys = [f"g{number} = {self._path()}" for number in range(self._random.randrange(3))]
        functions = ["COUNT", "SUM", "MIN", "MAX", "AVG", "COUNT_DISTINCT", "MEDIAN", "UNIQUE"]
        tails = ["WITH COUNT INTO c"] if self._chance(0.6) else []
        if self._chance(0.6) or not tails:
            tails.append(f"AGGREGATE v = {self._pick(functions)}({self._path()}), w = COUNT()")
        names = [f"g{number}" for number in range(len(keys))]
        names += ["c"] if "COUNT INTO" in tails[0] else []
        names += ["v", "w"] if "AGGREGATE" in tails[-1] else []
        after = self._pick(["", "", f"FILTER {names[-1]} > 1", f"SORT {names[-1]} DESC", "LIMIT 3"])
        rows = self._rows() if self._chance(0.6) else "FOR u IN users"
        return f"{rows} COLLECT {', '.join(keys)} {' '.join(tails)} {after} RETURN {{{', '.join(names)}}}"

    def _joined(self) -> str:
        inner = self._pick(["v._key", "v._key", "v.ref", "v.a", "v.n.a", "v._id", "v['a b']"])
        outer = self._pick(["u.ref", "u.ref", "u.a", "u._key", "u.n.a", "u._id", "u.missing"])
        collection = self._pick(["users", "orders"])
        before = f"FOR u IN users {self._pick(['', '', f'FILTER {self._condition(1)}', self._sort(), 'LIMIT 4'])}"
        if self._chance(0.6):
            also = self._pick(["", "", f" FILTER v.b {self._pick(COMPARISONS)} {self._constant()}", " AND v.c == u.c"])
            after = self._pick(
                ["", "", f"SORT v.b, {self._path()}", "LIMIT 3", "COLLECT g = v.a WITH COUNT INTO c RETURN [g, c]"]
            )
            returned = "" if "RETURN" in after else self._pick(["RETURN [u._key, v._key]", "RETURN {u, v}", "RETURN v.a"])
            return f"{before} FOR v IN {collection} FILTER {inner} == {outer}{also} {after} {returned}"
        kind = self._pick(["JOIN", "LEFT JOIN"])
        inner = inner.replace("v", collection, 1)
        also = self._pick(["", "", f" AND {collection}.b {self._pick(COMPARISONS)} {self._constant()}"])
        returned = self._pick([f"[u._key, {collection}[*]._key]", f"[u.a, LENGTH({collection})]", f"{{u, {collection}}}"])
        return f"{before} {kind} {collection} ON {inner} == {outer}{also} RETURN {returned}"

    def _left_alone(self) -> str:
        """Return a query of which something is left to the interpreter.

        One part at most can fail: which of two errors comes first is not part of the language.
        """
        failing = self._pick(["u.a + 1 > 2", "LENGTH(u.a) > 0", "1 / u.b > 0", "UPPER(u.a) == 'A'", "u.a IN u.n"])
        result, first, second = "[u.a, LENGTH(u.n)]", "", ""
        place = self._random.randrange(4)
        if place == 0:
            result = self._pick(["u.a + 1", "UPPER(u.b)", "(FOR x IN [1, 2] RETURN [x, u.a])", "{u, x: 1}"])
        if self._chance(0.6):
            first = f"FILTER {self._condition(1)}{f' AND {failing}' if place == 1 else ''}"
        if place >= 2:
            second = self._pick([f"FILTER {failing}", f"FILTER {failing} AND {self._condition(1)}"])
        elif self._chance(0.5):
            second = self._sort() if place == 1 else "LIMIT 3"
        return f"FOR u IN users {first} {second} RETURN {result}"

    # --- parts

    def _result(self) -> str:
        return self._pick(
            [
                "u", "u", "u._key", self._path(), self._path(), f"{{x: {self._path()}, y: {self._path()}, z: 1}}",
                f"[{self._path()}, {self._path()}, 'lit', null, true]",
                f"{{o: {{p: {self._path()}}}, 'q r': [{self._path()}]}}",
                "{k: u._key, i: u._id, d: u}",
            ]
        )  # fmt: skip

    def _condition(self, depth: int) -> str:
        if depth and self._chance(0.3):
            joining = self._pick([" AND ", " OR ", " AND "])
            parts = [self._condition(depth - 1) for _ in range(self._random.randrange(2, 4))]
            whole = f"({joining.join(parts)})"
            return f"NOT {whole}" if self._chance(0.2) else whole
        atom = self._atom()
        return f"NOT ({atom})" if self._chance(0.2) else atom

    def _atom(self) -> str:
        path, constant = self._path(), self._constant()
        match self._random.randrange(15):
            case 0 | 1 | 2 | 3:
                return f"{path} {self._pick(COMPARISONS)} {constant}"
            case 4:
                return f"{constant} {self._pick(COMPARISONS)} {path}"
            case 5:
                return f"{path} {self._pick(COMPARISONS)} {self._path()}"
            case 6 | 7:
                return f"{path} {self._pick(['IN', 'NOT IN'])} {self._array()}"
            case 8:
                return f"{constant} {self._pick(['IN', 'NOT IN'])} {path}"
            case 9 | 13:
                return f"{path} IN {self._pick(['0..2', '-1..18', '0.5..2', '0.9..1.9', '1..0', '-0.5..1e300'])}"
            case 10:
                pattern = self._pick(["a%", "%c", "_", "a_c", "%", "", "100\\\\%", "[%", "1", "%a%", "null", "true"])
                return f"{path} {self._pick(['LIKE', 'NOT LIKE'])} '{pattern}'"
            case 11:
                return f"{path} == null" if self._chance(0.5) else f"{path} != null"
            case 12:
                return self._pick(KEY_ATOMS).replace("@flag", self._bind())
            case _:
                return path

    def _array(self) -> str:
        values = [self.value() for _ in range(self._random.randrange(5))]
        if self._chance(0.3):
            values = [self._pick(KEYS) for _ in range(12)]
        return self._bind(values)

    def _constant(self) -> str:
        if self._chance(0.5):
            return self._bind()
        return self._pick(
            ["0", "1", "18", "-1", "1.0", "0.5", "'a'", "'[1]'", "'z'", "''", "null", "true", "false", "[1]", "1 + 1"]
        )

    def _bind(self, value: Any = ...) -> str:
        name = f"b{len(self._binds)}"
        self._binds[name] = self.value() if value is ... else value
        return f"@{name}"

    def _path(self) -> str:
        return self._pick(PATHS)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _pick(self, choices: Any) -> Any:
        return choices[self._random.randrange(len(choices))]

"""Queries written at random from the grammar, and the same with words changed; from a seed, so that each can be repeated."""

from random import Random

from sdbql.functions.aggregates import AGGREGATES
from sdbql.functions.catalog import BUILTINS


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


DEPTH_MAX = 4
NAMES = ["u", "o", "x", "count", "`odd name`", "group", "total", "users", "orders", "nowhere"]
ATTRIBUTES = ["n", "_key", "tags", "order", "`a b`", "size", "é"]
BINARY = words("+ - * / % == != < <= > >= IN LIKE =~ !~ ~= AND OR && || ?? & | ^ << >> ..")
LITERALS = words(
    """null true false 0 1 -1 2.5 1e3 .5 12. 9223372036854775807 1e308 1e999 "text" 'it' "" "2024-01-31" "%a_"
    "(a|b)*c" "\\u00e9" [] {} @b @list @@c"""
)
MUTATIONS = words(
    """FOR IN FILTER RETURN LET SORT DESC LIMIT COLLECT WITH COUNT INTO AGGREGATE JOIN LEFT FULL ON ( ) [ ] { } , .
    .. -> ? : ?? |> | - -- // /* */ ' " $" ${ } ` @ @@ [*] ?. NOT CASE WHEN THEN END ANY SATISFIES INSERT UPDATE
    REMOVE @missing OUTBOUND OVER WINDOW 1e \\ ; # \x00 \ud800 é ² 0x 9999999999999999999999"""
)


class Writer:
    """Writes one query after another."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.depth = 0
        self.scope = ["users", "orders"]

    def query(self) -> str:
        """Return a query with clauses in any order."""
        first = self.pick(["FOR u IN users", "FOR u IN users", "FOR o IN orders", "LET x = 1", ""])
        self.scope = ["users", "orders", *first.split(" ")[1:2]]
        clauses = [self.clause() for _ in range(self.random.randrange(5))]
        distinct = self.pick(["", "", "DISTINCT "])
        return " ".join([first, *clauses, f"RETURN {distinct}{self.expression()}"])

    def mutated(self, text: str) -> str:
        """Return the text with a few words or characters taken out, put in, doubled or exchanged."""
        between = self.pick(["", " ", " "])
        parts = text.split(between) if between else list(text)
        for _ in range(self.random.randrange(1, 4)):
            place = self.random.randrange(len(parts) + 1)
            match self.random.randrange(4):
                case 0:
                    parts[place : place + 1] = []
                case 1:
                    parts.insert(place, self.pick(MUTATIONS))
                case 2:
                    parts[place:place] = parts[place : place + self.random.randrange(1, 6)]
                case _:
                    parts[place : place + 2] = reversed(parts[place : place + 2])
        return between.join(parts)

    def clause(self) -> str:
        """Return one clause."""
        name, one, other = self.pick(NAMES), self.expression(), self.expression()
        if self.random.random() < 0.4:
            self.scope.append(name)
            every = self.pick(["users", "orders", "1..3", one, "@@c", "@list"])
            return self.pick([f"FOR {name} IN {every}", f"LET {name} = {one}, {self.pick(self.scope)} = {other}"])
        if self.random.random() < 0.15:
            text = f"{self.pick([f'COLLECT {name} = {one}', f'GROUP BY {one} AS {name}', 'COLLECT'])} {self.tail()}"
            self.scope = ["users", "orders", *([name] if name in text else [])]
            return text
        return self.pick(
            [
                f"FILTER {one}",
                f"SORT {one} {self.pick(['', 'ASC', 'DESC'])}, {other}",
                f"ORDER BY {one}",
                f"LIMIT {self.pick(['1', '0, 2', '1 + 1'])}",
                f"{self.pick(['', 'LEFT', 'RIGHT', 'FULL OUTER', 'FULL'])} JOIN {self.pick(['users', 'orders'])} ON {one}",
                "JOIN orders ON orders.u == users[0]._key",
            ]
        )

    def tail(self) -> str:
        """Return what may follow COLLECT."""
        aggregate = f"{self.pick(sorted(AGGREGATES))}({self.expression()})"
        return self.pick(["", "INTO g", "WITH COUNT INTO count", f"AGGREGATE total = {aggregate}, n = COUNT()"])

    def expression(self) -> str:
        """Return an expression, not nested deeper than a bound."""
        if self.depth >= DEPTH_MAX or self.random.random() < 0.3:
            return self.leaf()
        self.depth += 1
        text = self.compound()
        self.depth -= 1
        return text

    def leaf(self) -> str:
        """Return an expression that holds no other."""
        name = self.pick(NAMES if self.random.random() < 0.02 else self.scope)
        return self.pick([self.pick(LITERALS), name, f"{name}.{self.pick(ATTRIBUTES)}", "orders[*].n"])

    def compound(self) -> str:
        """Return an expression of others."""
        kind = self.random.random()
        if kind < 0.3:
            return self.call()
        name, one = self.pick(NAMES), self.expression()
        if kind < 0.75:
            return self.plain(one, self.expression(), self.expression())
        self.scope.append(name)
        text = self.binding(name, one, self.expression(), self.expression())
        self.scope.pop()
        return text

    def call(self) -> str:
        """Return a call of a builtin, nearly always with a right number of arguments."""
        builtin = BUILTINS[self.pick(sorted(BUILTINS))]
        count = self.random.randint(builtin.least, min(builtin.most, builtin.least + 2))
        count += self.random.random() < 0.02
        return f"{builtin.name}({', '.join([self.expression() for _ in range(count)])})"

    def plain(self, one: str, other: str, third: str) -> str:
        """Return an expression that binds no name."""
        return self.pick(
            [
                f"{one} {self.pick(BINARY)} {other}",
                f"({one} {self.pick(BINARY)} {other})",
                f"{self.pick(['NOT ', '! ', '- ', '~ '])}{one}",
                f"({one} ? {other} : {third})",
                f"{one}.{self.pick(ATTRIBUTES)}",
                f"({one})[{other}]",
                f"({one})[*].{self.pick(ATTRIBUTES)}",
                f"[{one}, {other}]",
                f"{{a: {one}, {self.pick(NAMES)}, [{other}]: {third}}}",
                f"{one} NOT IN {other}",
                f"CASE {self.pick(['', one])} WHEN {other} THEN {third} ELSE {one} END",
                f'$"a ${{{self.pick(self.scope)}}} $$ b"',
            ]
        )

    def binding(self, name: str, one: str, other: str, third: str) -> str:
        """Return an expression in which `other` and `third` see a name that `one` does not."""
        return self.pick(
            [
                f"{self.pick(['FILTER', 'MAP', 'ANY', 'ALL', 'NONE', 'FIND'])}({one}, {name} -> {other})",
                f"REDUCE({one}, 1, (a, {name}) -> {third})",
                f"({one} |> {self.pick(['MAP', 'FILTER'])}({name} -> {other}))",
                f"(FOR {name} IN {one} FILTER {other} RETURN {third})",
                f"(LET {name} = {one} RETURN {other})",
                f"({self.pick(['ANY', 'ALL', 'NONE'])} {name} IN {one} SATISFIES {other})",
            ]
        )

    def pick(self, choices: list[str]) -> str:
        """Return one of the choices."""
        return self.random.choice(choices)

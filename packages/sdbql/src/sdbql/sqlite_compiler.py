"""The split of a plan: its first steps as one SELECT, the others left to the interpreter.

The steps are taken one by one, as long as each can be shown to give the same rows in SQL as in the interpreter. A FILTER
is taken term by term, a SORT or COLLECT only over stored values, a LIMIT only if everything before it was taken. Nothing is
taken that can raise an error, so errors appear where the interpreter has them. What is taken depends on the kinds of the
run's constants and on the store's tables, and on nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sdbql import plan
from sdbql.conditions import kept, reads_variables, terms
from sdbql.sqlite_conditions import Conditions, taken_terms
from sdbql.sqlite_constants import steps_of
from sdbql.sqlite_grouping import group_of
from sdbql.sqlite_joins import Join, take_joins, with_expressions
from sdbql.sqlite_operands import Operand, Reading, operand, path_of
from sdbql.sqlite_ordering import SORT_KEYS_MAX, SortTerm, sort_term
from sdbql.sqlite_plan import Extent, First, Rows, Shape, StoredRead
from sdbql.sqlite_projection import paths_read, replaced_variable, result_json, substituted
from sdbql.sqlite_select import Parameters, Select
from sdbql.sqlite_surroundings import Surroundings
from sdbql.syntax_tree import Binary, Expression, Node, Variable, walk


def split(whole: plan.Plan, surroundings: Surroundings) -> plan.Plan | None:
    """Return the plan with its first steps done by SQLite, None when not even its first loop can be."""
    steps = steps_of(whole)
    place = len(surroundings.constants.preamble)
    if place == len(steps):
        return None
    reader = _Reader.of(steps[place], surroundings)
    if reader is None:
        return None
    rest: list[plan.Following] = []
    for number in range(place + 1, len(steps)):
        if rest or not reader.take(steps[number]):
            rest.append(steps[number])
        elif reader.leftover is not None:
            rest.append(reader.leftover)
    return _Assembly(reader, rest, whole).whole_plan()


@dataclass
class _Reader:
    """Takes steps into a SELECT over one collection."""

    reading: Reading
    surroundings: Surroundings
    parameters: Parameters
    conditions: Conditions
    taken: list[plan.Step]
    where: list[str] = field(default_factory=list)
    order: list[SortTerm] = field(default_factory=list)
    extent: Extent | None = None
    aliases: list[tuple[str, Expression]] = field(default_factory=list)
    group: plan.Group | None = None
    leftover: plan.Keep | None = None

    @classmethod
    def of(cls, step: plan.Step, surroundings: Surroundings) -> "_Reader | None":
        """Return the reader of the first loop, None when it is over something else than a stored collection."""
        if not isinstance(step, plan.Iterate | plan.HashJoin):
            return None
        reading = surroundings.reading(step.variable, step.source)
        if reading is None:
            return None
        parameters = Parameters()
        conditions = Conditions(reading, surroundings.constants, surroundings.kinds, parameters)
        reader = cls(reading, surroundings, parameters, conditions, [step])
        if isinstance(step, plan.HashJoin):
            equality = Binary("==", step.element_key, step.row_key, span=step.span)
            found = conditions.condition(equality)
            if found is None:
                return None
            reader.where.append(found)
        return reader

    def take(self, step: plan.Following) -> bool:
        """Take a step if it can be done in SQL; of a FILTER, what is left stays in `leftover`."""
        step = self._without_aliases(step)
        if self.group is not None or self.leftover is not None:
            return False
        if self.extent is not None:
            return False
        match step:
            case plan.Keep():
                is_taken = self._take_filter(step)
            case plan.Assign(variable=variable, value=value):
                is_taken = self.operand(value) is not None
                if is_taken:
                    self.aliases.append((variable, value))
            case plan.Order(keys=keys):
                is_taken = self._take_order(keys)
            case plan.Slice() if reads_variables(step):
                is_taken = False
            case plan.TopRows(keys=keys, offset=offset, count=count):
                is_taken = self._take_order(keys)
                if is_taken:
                    self.extent = Extent(offset, count)
            case plan.Slice(offset=offset, count=count):
                self.extent, is_taken = Extent(offset, count), True
            case plan.Group():
                is_taken = group_of(step, self.operand) is not None
                if is_taken:
                    self.group = step
            case _:
                is_taken = False
        if is_taken:
            self.taken.append(step)
        return is_taken

    def operand(self, node: Node) -> Operand | None:
        """Return the stored value that a node reads, None when it is none."""
        return self.conditions.operand(self._without_aliases(node))

    def _without_aliases(self, node: Any) -> Any:
        for variable, value in self.aliases:
            node = replaced_variable_in_step(node, variable, value)
        return node

    def _take_filter(self, step: plan.Keep) -> bool:
        all_terms = terms(step.condition)
        taken, left = taken_terms(all_terms, self.conditions)
        self.where += taken
        if left:
            remaining = kept(step.before, left)
            assert isinstance(remaining, plan.Keep)
            self.leftover = remaining
        return len(left) < len(all_terms)

    def _take_order(self, keys: Sequence[Any]) -> bool:
        found = [sort_term(self.operand(key.value), descending=key.descending) for key in keys]
        if None in found or len(found) + len(self.order) > SORT_KEYS_MAX:
            return False
        self.order = [*[term for term in found if term is not None], *self.order]
        return True

    def without_aliases(self, node: Any) -> Any:
        """Return a node with the LETs that were taken replaced by what they stand for."""
        return self._without_aliases(node)


def replaced_variable_in_step(node: Any, variable: str, value: Expression) -> Any:
    """Replace a variable in an expression, or in a step without the steps before it."""
    if not isinstance(node, plan.Following):
        return replaced_variable(node, variable, value)
    before = node.before
    changed = replaced_variable(replace(node, before=plan.Start()), variable, value)
    return replace(changed, before=before)


@dataclass
class _Assembly:
    """Joins what was taken with the rest of the plan."""

    reader: _Reader
    rest: list[plan.Following]
    original: plan.Plan
    names: int = 0

    @property
    def _preamble(self) -> tuple[str, ...]:
        return tuple([step.variable for step in self.reader.surroundings.constants.preamble])

    def _unused_name(self) -> str:
        """Return a variable that neither the plan nor anybody else uses."""
        used = {node.name for node in walk(self.original) if isinstance(node, Variable)}
        self.names += 1
        name = f"stored {self.names}"
        while name in used:
            name += " "
        return name

    def whole_plan(self) -> plan.Plan:
        """Return the plan with what was taken as its first steps."""
        reader = self.reader
        value = reader.without_aliases(self.original.value)
        rest = [reader.without_aliases(replace(step, before=plan.Start())) for step in self.rest]
        if reader.group is not None:
            return self._joined(self._stored_group(), rest, value)
        if not rest:
            result = self._result(value)
            if result is not None:
                name = self._unused_name()
                return self._joined(self._read(*result, outputs=(name,)), rest, Variable(name))
        joins, rest = take_joins(rest, reader.surroundings)
        return self._with_joins(joins, rest, value)

    def _with_joins(self, joins: list[Join], rest: list[plan.Following], value: Expression) -> plan.Plan:
        """Return the plan of a read, lookups behind it, and the rest."""
        shapes = []
        for conditions in (self.reader.conditions, *[join.conditions for join in joins]):
            variable = conditions.reading.variable
            is_whole = any(join.gives_arrays and join.conditions is conditions for join in joins)
            nodes = [*[node for join in joins for node in join.nodes()], *rest, value]
            paths = None if is_whole else paths_read(variable, nodes)
            names = {path: self._unused_name() for path in paths or ()}
            if names:
                change = partial(substituted, variable=variable, outputs=names)
                joins = [with_expressions(join, change) for join in joins]
                rest, value = [change(step) for step in rest], change(value)
            shapes.append(_outputs(conditions, names if paths is not None else None))
        (shape, values, outputs), *others = shapes
        columns = ("k", values) if shape is Shape.DOCUMENTS else (values,)
        before: plan.Step = self._read(shape, columns, outputs=outputs)
        for join, (shape, values, outputs) in zip(joins, others, strict=True):
            before = join.lookup(before, shape, values, outputs)
        return self._joined(before, rest, value)

    def _result(self, value: Expression) -> tuple[Shape, tuple[str, ...]] | None:
        """Return how SQLite gives the results themselves."""
        if path_of(value) == (self.reader.reading.variable, ()):
            return Shape.DOCUMENTS, ("k", "json(body)")
        written = result_json(value, self.reader.operand, self.reader.parameters)
        return None if written is None else (Shape.RESULTS, (written,))

    def _read(self, shape: Shape, columns: tuple[str, ...], *, outputs: tuple[str, ...]) -> StoredRead:
        order = self.reader.order
        naive = self._rows(shape, columns, exact=False)
        exact = self._rows(shape, columns, exact=True) if any(term.rank for term in order) else None
        taken = tuple(self.reader.taken)
        return StoredRead(naive, outputs, self.reader.extent, exact, self._first(columns), self._preamble, taken)

    def _first(self, columns: tuple[str, ...]) -> First | None:
        """Return the read by the bare values of its only sort key, if it has an extent and such a key."""
        if len(self.reader.order) != 1 or self.reader.extent is None:
            return None
        (term,) = self.reader.order
        if term.value is None or term.rank is None:
            return None
        by = f"{len(columns) + 1} DESC" if term.descending else str(len(columns) + 1)
        return First(self._select((*columns, term.value, term.rank), [by]), term.descending)

    def _rows(self, shape: Shape, columns: tuple[str, ...], *, exact: bool) -> Rows:
        reader = self.reader
        ranks = () if exact else tuple([term.rank for term in reader.order if term.rank])
        by = [column for term in reader.order for column in (term.exactly if exact else term.columns)]
        for place, rank in enumerate(ranks, len(columns) + 1):
            by = [column.replace(rank, str(place)) if column in (rank, f"{rank} DESC") else column for column in by]
        return Rows(self._select((*columns, *ranks), by), reader.reading.collection, shape, len(ranks))

    def _select(self, columns: tuple[str, ...], by: Sequence[str]) -> Select:
        reader = self.reader
        limit = None
        if reader.extent is not None:
            number = len(reader.surroundings.constants.expressions)
            limit = f"{reader.parameters.constant(number)} OFFSET {reader.parameters.constant(number + 1)}"
        return Select(
            reader.reading.table.name,
            columns,
            tuple(reader.where),
            order=(*by, "k" if self._streams() else "+k"),
            limit=limit,
            parameters=tuple(reader.parameters.all),
        )

    def _streams(self) -> bool:
        """Tell whether rows are wanted one by one, so that sorting them all by key would be a waste."""
        if self.reader.order:
            return True
        if self.reader.extent is not None:
            return True
        for step in self.rest:
            if isinstance(step, plan.Slice):
                return True
            if isinstance(step, plan.Order | plan.TopRows | plan.Group):
                return False
        return any(condition.startswith("k ") for condition in self.reader.where)

    def _stored_group(self) -> plan.Step:
        reader = self.reader
        assert reader.group is not None
        found = group_of(reader.group, reader.operand)
        assert found is not None
        columns, is_counted = found.columns(has_conditions=bool(reader.where))
        select = Select(
            reader.reading.table.name,
            columns,
            tuple(reader.where),
            groups=columns[:2] if is_counted else (),
            parameters=tuple(reader.parameters.all),
        )
        return found.step(select, is_counted=is_counted, preamble=self._preamble, replaced=tuple(reader.taken))

    def _joined(self, before: plan.Step, rest: Sequence[plan.Following], value: Expression) -> plan.Plan:
        for step in rest:
            before = replace(step, before=before)
        return plan.Plan(before, value, self.original.distinct, span=self.original.span)


def _outputs(conditions: Conditions, names: dict[tuple[str, ...], str] | None) -> tuple[Shape, str, tuple[str, ...]]:
    """Return what is read of each document: its shape, its SQL and the variables it goes to; all of it without names."""
    if names is None:
        return Shape.DOCUMENTS, "json(body)", (conditions.reading.variable,)
    if not names:
        return Shape.NOTHING, "1", ()
    found = [operand(conditions.reading, path, conditions.parameters) for path in names]
    values = ["json('null')" if stored is None else stored.json for stored in found]
    return Shape.VALUES, f"json_array({', '.join(values)})", tuple(names.values())

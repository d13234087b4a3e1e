"""The replicated fields of one document: for the path of each its state. The document itself holds their plain values.

No such field stands inside another. What an operation does to states and document is the same on a device and on the
server, so both come to the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Raw

from solidb_sync.json_value import JsonDocument, decode, encode, type_name
from solidb_sync.model.crdt.authorship import Authorship, BoundError, OperationError
from solidb_sync.model.crdt.registry import (
    STAMPED,
    STATES,
    TITLES,
    Operation,
    State,
    applied,
    joined,
    operation_json,
    read_operation,
    read_state,
    state_json,
    type_of,
)
from solidb_sync.model.delta import (
    Delta,
    MissingParentError,
    Path,
    apply_delta,
    parse_path,
    path_text,
    paths_overlap,
    value_at,
)
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector

FIELDS_MAX = 16
"""How many replicated fields a document has at most; so many states fit in one page of a pull."""

FIELD_ELEMENTS_MAX = 10_000
FIELD_STATE_BYTES_MAX = 256 * 1024
OPERATIONS_PER_CHANGE_MAX = 16

FieldStates = Mapping[Path, State]
Operations = Mapping[Path, Operation]
NO_STATES: FieldStates = {}
ALWAYS_SEEN = Dot("", 0)
"""The dot of entries whose author is not known here: every vector covers it."""


class FieldProblem(ValueError):  # noqa: N818 - it is handed on as an error of the device or the server
    """An operation that one field can't take; `kind` names the error: CrdtTypeError, CrdtBoundError or CrdtTooLarge."""

    def __init__(self, kind: str, path: Path, text: str) -> None:
        super().__init__(f"{path_text(path)}: {text}")
        self.kind = kind
        self.path = path


@dataclass(frozen=True, slots=True)
class FieldsApplied:
    """A document and its states after operations. `has_converted`: a plain value became a state."""

    document: JsonDocument | None
    states: FieldStates
    has_converted: bool = False


def read_states(text: str | bytes, vector: VersionVector = EMPTY_VECTOR) -> dict[Path, State]:
    """Return the states of a stored form, `{path: {"t": type, "s": state}}`; empty text is none."""
    return {parse_path(path): read_state(fields, vector) for path, fields in decode(text).items()} if text else {}


def states_text(states: FieldStates) -> str:
    """Return the stored form, paths in order; no states are the empty text. Raises `FieldProblem` for one too large."""
    if not states:
        return ""
    texts = {path_text(path): Raw(encode(state_json(states[path]))) for path in sorted(states)}
    for path, text in texts.items():
        if len(memoryview(text)) > FIELD_STATE_BYTES_MAX:
            raise FieldProblem("CrdtTooLarge", parse_path(path), f"more than {FIELD_STATE_BYTES_MAX} bytes of state")
    return encode(texts).decode()


def read_operations(fields: object) -> dict[Path, Operation]:
    """Return the operations of a wire form by their paths; raises `OperationError` naming the place."""
    if not isinstance(fields, dict):
        raise OperationError(f": expected an object, found {type_name(fields)}")
    if not 0 < len(fields) <= OPERATIONS_PER_CHANGE_MAX:
        raise OperationError(f": expected 1 to {OPERATIONS_PER_CHANGE_MAX} fields, found {len(fields)}")
    operations: dict[Path, Operation] = {}
    for text, wire in fields.items():
        path = parse_path(text)
        if any(paths_overlap(path, other) for other in operations):
            raise OperationError(f".{text[:40]}: a field is named twice, or one field is inside another")
        try:
            operations[path] = read_operation(wire)
        except OperationError as problem:
            raise OperationError(f".{text[:40]}{problem}") from None
    return operations


def operations_text(operations: Operations) -> bytes:
    """Return the wire form of operations."""
    return encode({path_text(path): operation_json(operation) for path, operation in operations.items()})


def needs_stamp(operations: Operations) -> bool:
    """Return whether any of the operations is ordered by a clock."""
    return any(type_of(operation) in STAMPED for operation in operations.values())


def apply_operations(
    document: JsonDocument | None,
    states: FieldStates,
    operations: Operations,
    author: Authorship,
    written_by: Callable[[Path], Dot] = lambda _: ALWAYS_SEEN,
) -> FieldsApplied:
    """Return document and states after operations; a deleted document (None) stays deleted, its states take them in.

    A field without a state begins with its plain value, as written by the edit `written_by` names, or with nothing.
    Raises `FieldProblem`.
    """
    after = dict(states)
    has_converted = False
    for path, operation in operations.items():
        state = after.get(path)
        if state is None:
            state, is_plain = _begun(document, after, path, operation, written_by)
            has_converted = has_converted or is_plain
        after[path] = state = _applied(state, path, operation, author)
        if document is not None:
            document = with_value(document, path, state.value())
    return FieldsApplied(document, after, has_converted)


def apply_those_that_fit(
    document: JsonDocument | None, states: FieldStates, operations: Operations, author: Authorship
) -> FieldsApplied:
    """Do the same, passing over what a field can't take: for operations that the server has not judged yet, or refused."""
    shown = FieldsApplied(document, states)
    for path, operation in operations.items():
        try:
            shown = apply_operations(shown.document, shown.states, {path: operation}, author)
        except FieldProblem:
            continue
    return shown


def _begun(
    document: JsonDocument | None,
    states: FieldStates,
    path: Path,
    operation: Operation,
    written_by: Callable[[Path], Dot],
) -> tuple[State, bool]:
    """Return the state that a field begins with, and whether a plain value became it."""
    for other in states:
        if paths_overlap(path, other):
            raise FieldProblem("CrdtTypeError", path, f"stands around or inside {path_text(other)}, a field of its own type")
    if len(states) >= FIELDS_MAX:
        raise FieldProblem("CrdtTooLarge", path, f"a document has at most {FIELDS_MAX} such fields")
    kind = STATES[type_of(operation)]
    is_plain, value = (False, None) if document is None else value_at(document, path)
    if not is_plain:
        return kind(), False
    try:
        return kind.from_plain(value, written_by(path)), True
    except OperationError as problem:
        raise FieldProblem(
            "CrdtTypeError", path, f"its plain value can't become {TITLES[type_of(operation)]}: {problem}"
        ) from None


def _applied(state: State, path: Path, operation: Operation, author: Authorship) -> State:
    if type_of(state) != type_of(operation):
        raise FieldProblem("CrdtTypeError", path, f"is {TITLES[type_of(state)]}, not {TITLES[type_of(operation)]}")
    try:
        after = applied(state, operation, author)
    except BoundError as problem:
        raise FieldProblem("CrdtBoundError", path, str(problem)) from None
    if after.element_count() > FIELD_ELEMENTS_MAX:
        raise FieldProblem("CrdtTooLarge", path, f"more than {FIELD_ELEMENTS_MAX} entries")
    return after


def with_value(document: JsonDocument, path: Path, value: Any) -> JsonDocument:
    """Return a document with a value at a path, inside objects that are made where nothing is; raises `FieldProblem`."""
    delta = Delta({path: value})
    for _ in path:
        try:
            return apply_delta(document, delta)
        except MissingParentError as missing:
            if value_at(document, missing.path)[0]:
                raise FieldProblem("CrdtTypeError", path, f"{path_text(missing.path)} is not an object") from None
            document = apply_delta(document, Delta({missing.path: {}}))
    raise AssertionError("a path has fewer parents than names")


def with_shown_values(document: JsonDocument, states: FieldStates) -> JsonDocument:
    """Return a document with the plain value of every state in it; where something else is in the way, that gives way."""
    for path, state in states.items():
        try:
            document = with_value(document, path, state.value())
        except FieldProblem:
            document = with_value(_cleared(document, path), path, state.value())
    return document


def _cleared(document: JsonDocument, path: Path) -> JsonDocument:
    """Return a document without what stands where an object has to be on the way to a path."""
    for depth in range(1, len(path)):
        present, value = value_at(document, path[:depth])
        if present and not isinstance(value, dict):
            return apply_delta(document, Delta(removed=(path[:depth],)))
    return document


def join_states(one: FieldStates, other: FieldStates) -> FieldStates:
    """Return the joins of the states of two replicas; each must have been read with the vector of its document."""
    return {
        path: joined(one[path], other[path]) if path in one and path in other else one.get(path) or other[path]
        for path in {**one, **other}
    }


def fold_states(states: FieldStates, dot: Dot) -> FieldStates:
    """Return states with one dot in the place of all others, for a document whose vector is compacted to it."""
    return {path: state.folded(dot) for path, state in states.items()}


def greatest_stamp(states: FieldStates, paths: Iterable[Path]) -> str:
    """Return the greatest stamp in some of the states, empty when there is none."""
    return max((states[path].greatest_stamp() for path in paths if path in states), default="")

"""One change of a request, checked by itself: names, sizes, the operation and what belongs to it.

A change that is wrong still has an id and a counter, so that it can be answered and its place in the order is kept; its
`error` names the field. `at` is its place in the request.
"""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import UNSET, Raw

from solidb_sync.json_value import DEPTH_MAX, DOCUMENT_BYTES_MAX, decode, depth_exceeds, encode, type_name
from solidb_sync.model.crdt.authorship import OperationError
from solidb_sync.model.crdt.field_states import Operations, read_operations
from solidb_sync.model.delta import Delta, Path, parse_path, value_at
from solidb_sync.model.hybrid_clock import is_stamp
from solidb_sync.model.version_vector import COUNTER_MAX, Dot, VersionVector
from solidb_sync.protocol.limits import CHANGE_ID_CHARACTERS_MAX, VECTOR_ENTRIES_MAX
from solidb_sync.protocol.messages import ChangeError, FormerDot, WireChange
from solidb_sync.protocol.names import actor_belongs_to, key_problem, name_problem
from solidb_sync.reconcile.decision import Edit, Operation
from solidb_sync.server.storage.records import DocumentName

TIMESTAMP_CHARACTERS_MAX = 64
RESOLVED_AT_ONCE_MAX = 100
CRDT_OPERATION = "crdt"
_OPERATIONS = {**{operation.value: operation for operation in Operation}, CRDT_OPERATION: Operation.UPDATE}


class ProposedChange(msgspec.Struct, gc=False):
    """A change as it will be judged; `document` is JSON text, already known to be strict."""

    at: int
    id: str
    counter: int
    name: DocumentName
    operation: Operation | None
    document: str | None
    delta: Delta | None
    base: dict[str, int]
    timestamp: str
    transaction: str
    transaction_size: int
    is_handwritten: bool
    error: ChangeError | None
    operations: Operations = {}
    """What is done to replicated fields."""
    stamp: str = ""
    resolves: list[str] = []
    base_seq: int = 0
    former: FormerDot | None = None
    """The dot under which other devices may know its operations."""
    is_plain_insert: bool = False
    """True for the commonest change of all: a valid new document with id and counter, without base or transaction."""
    is_plain_update: bool = False
    """True for a valid update of fields with id, counter and base, without anything that makes it more than that."""

    def edit(self, dot: Dot) -> Edit:
        """Return what is to be judged; only for a change without an error."""
        assert self.operation is not None
        document = None if self.document is None else decode(self.document)
        return Edit(self.operation, VersionVector(self.base), dot, document, self.delta)


def propose(at: int, wire: WireChange, client_id: str, names_checked: dict[str, str | None]) -> ProposedChange:
    """Return the change with whatever is wrong with it; `names_checked` remembers collection names across a request."""
    change = ProposedChange(
        at,
        wire.id,
        wire.counter,
        (wire.collection, wire.key),
        _OPERATIONS.get(wire.operation),
        None,
        None,
        wire.base_version,
        wire.timestamp,
        wire.transaction,
        wire.transaction_size,
        not wire.id,
        None,
        base_seq=wire.base_seq if wire.base_version else 0,
    )
    if not 0 < len(wire.id) <= CHANGE_ID_CHARACTERS_MAX or not 0 <= wire.counter <= COUNTER_MAX:
        _replace_identity(change, wire, client_id)
    change.error = (
        change.error
        or _envelope_error(at, wire, names_checked)
        or _take_operations(change, wire)
        or _take_former(change, wire, client_id)
        or _take_payload(change, wire)
    )
    if change.error is None and not (
        change.is_handwritten or change.transaction or change.operations or change.stamp or change.resolves
    ):
        change.is_plain_insert = change.operation is Operation.INSERT and not change.base
        change.is_plain_update = change.operation is Operation.UPDATE and _sets_fields_alone(change)
    return change


def _sets_fields_alone(change: ProposedChange) -> bool:
    return bool(change.delta) and bool(change.base) and change.document is None


def _replace_identity(change: ProposedChange, wire: WireChange, client_id: str) -> None:
    """Give a change an id when it has none, and when its id or counter can't be used; the latter is an error too."""
    if not 0 <= wire.counter <= COUNTER_MAX:
        change.counter = 0
        change.error = _error(change.at, "InvalidChange", "counter", f"expected 1 to {COUNTER_MAX}, found {wire.counter}")
    if not 0 < len(wire.id) <= CHANGE_ID_CHARACTERS_MAX:
        change.id = handwritten_id(client_id, wire)
        if wire.id:
            change.error = _error(change.at, "InvalidChange", "id", f"at most {CHANGE_ID_CHARACTERS_MAX} characters")


def unreadable(at: int, change_id: str, counter: int, name: DocumentName, message: str) -> ProposedChange:
    """Return the stand-in for a change that could not be decoded."""
    return ProposedChange(
        at=at,
        id=change_id,
        counter=counter,
        name=name,
        operation=None,
        document=None,
        delta=None,
        base={},
        timestamp="",
        transaction="",
        transaction_size=0,
        is_handwritten=False,
        error=ChangeError("InvalidChange", message),
    )


def handwritten_id(client_id: str, wire: WireChange) -> str:
    """Return the id of a change that came without one: the same text from the same client is the same change."""
    parts = [
        client_id,
        wire.collection,
        wire.key,
        wire.operation,
        wire.timestamp,
        _raw_text(wire.document),
        _raw_text(wire.delta),
        *([_raw_text(wire.crdt)] if wire.crdt is not UNSET else []),
        wire.unset,
        sorted(wire.base_version.items()),
        *wire.fields,
    ]
    return "h-" + hashlib.blake2b(encode(parts), digest_size=20).hexdigest()


def _envelope_error(at: int, wire: WireChange, names_checked: dict[str, str | None]) -> ChangeError | None:
    if wire.collection not in names_checked:
        names_checked[wire.collection] = name_problem(wire.collection)
    problem = names_checked[wire.collection]
    if problem is not None:
        return _error(at, "InvalidName", "collection", problem)
    problem = key_problem(wire.key)
    if problem is not None:
        return _error(at, "InvalidKey", "key", problem)
    if wire.operation not in _OPERATIONS:
        return _error(
            at, "InvalidOperation", "operation", f"expected insert, update, delete or crdt, found {wire.operation[:40]!r}"
        )
    if wire.base_version:
        wrong = vector_problem(wire.base_version)
        if wrong is not None:
            return _error(at, "InvalidChange", f"base_version{wrong[0]}", wrong[1])
    if not 0 <= wire.base_seq <= COUNTER_MAX:
        return _error(at, "InvalidChange", "base_seq", f"expected 0 to {COUNTER_MAX}, found {wire.base_seq}")
    if len(wire.timestamp) > TIMESTAMP_CHARACTERS_MAX:
        return _error(at, "InvalidChange", "timestamp", f"at most {TIMESTAMP_CHARACTERS_MAX} characters")
    if len(wire.resolves) > RESOLVED_AT_ONCE_MAX:
        return _error(at, "InvalidChange", "resolves", f"at most {RESOLVED_AT_ONCE_MAX} conflicts are settled by one edit")
    if len(wire.transaction) > CHANGE_ID_CHARACTERS_MAX:
        return _error(at, "InvalidChange", "transaction", f"at most {CHANGE_ID_CHARACTERS_MAX} characters")
    return None


def vector_problem(vector: dict[str, int]) -> tuple[str, str] | None:
    """Return where in a vector and what is wrong, None when it is one."""
    if len(vector) > VECTOR_ENTRIES_MAX:
        return "", f"{len(vector)} entries, at most {VECTOR_ENTRIES_MAX} are read"
    for actor, count in vector.items():
        if not 0 <= count <= COUNTER_MAX:
            return f".{actor[:40]}", f"expected 0 to {COUNTER_MAX}, found {count}"
    return None


def _take_operations(change: ProposedChange, wire: WireChange) -> ChangeError | None:
    """Put the operations on replicated fields into the change, or return why they can't be taken."""
    if wire.hlc and not is_stamp(wire.hlc):
        return _error(change.at, "InvalidChange", "hlc", f"expected 12 and 4 hexadecimal digits, found {wire.hlc[:40]!r}")
    change.stamp, change.resolves = wire.hlc, wire.resolves
    if wire.crdt is UNSET:
        if wire.operation == CRDT_OPERATION:
            return _error(change.at, "InvalidChange", "crdt", "expected an object, found nothing")
        return None
    if change.operation is Operation.DELETE:
        return _error(change.at, "InvalidChange", "crdt", "a delete carries no operations; send them before it")
    try:
        change.operations = read_operations(decode(memoryview(wire.crdt)))
    except OperationError as problem:
        return ChangeError("InvalidChange", f"changes[{change.at}].crdt{problem}")
    if wire.operation == CRDT_OPERATION:
        if change.base:
            change.delta = Delta()
        else:
            change.operation, change.document = Operation.INSERT, "{}"  # a document to begin with, if there is none
    return None


def _take_former(change: ProposedChange, wire: WireChange, client_id: str) -> ChangeError | None:
    """Put the dot of a life before into a change with operations, or return why it can't be taken."""
    former = wire.former
    if former is UNSET or not change.operations:
        return None
    if not actor_belongs_to(former.actor, client_id):
        text = f"expected {client_id!r} or one of its lives, found {former.actor[:80]!r}"
        return _error(change.at, "InvalidChange", "former.actor", text)
    if not 0 <= former.after < former.counter <= former.last <= COUNTER_MAX:
        return _error(change.at, "InvalidChange", "former", f"expected 0 <= after < counter <= last <= {COUNTER_MAX}")
    change.former = former
    return None


def _take_payload(change: ProposedChange, wire: WireChange) -> ChangeError | None:
    """Put document and delta into the change, or return why they can't be taken."""
    if change.operation is Operation.DELETE:
        return None
    if wire.document is not UNSET:
        change.document = str(wire.document, "utf-8")
        error = _document_error(change.at, change.document)
        if error is not None:
            return error
    if change.operation is Operation.UPDATE and (wire.delta is not UNSET or wire.unset or wire.fields):
        return _take_delta(change, wire)
    if change.document is None and change.delta is None:
        field = "document" if change.operation is Operation.INSERT else "delta"
        return _error(change.at, "InvalidChange", field, "expected an object, found nothing")
    return None


def _document_error(at: int, text: str) -> ChangeError | None:
    if not text.startswith("{"):
        return _error(at, "InvalidChange", "document", f"expected an object, found {type_name(decode(text))}")
    if len(text) > DOCUMENT_BYTES_MAX // 4 and len(text.encode()) > DOCUMENT_BYTES_MAX:
        return _error(at, "DocumentTooLarge", "document", too_large_text(len(text.encode())))
    if text.count("{") + text.count("[") > DEPTH_MAX and depth_exceeds(decode(text), DEPTH_MAX):
        return _error(at, "DocumentTooDeep", "document", f"nested deeper than {DEPTH_MAX} levels")
    return None


def too_large_text(bytes_count: int) -> str:
    """Return what to say of a document that is too large."""
    return f"{bytes_count} bytes of JSON, at most {DOCUMENT_BYTES_MAX} are kept in one document"


def _take_delta(change: ProposedChange, wire: WireChange) -> ChangeError | None:
    fields = {} if wire.delta is UNSET else decode(memoryview(wire.delta))
    if not isinstance(fields, dict):
        return _error(change.at, "InvalidChange", "delta", f"expected an object, found {type_name(fields)}")
    if wire.fields:
        if wire.delta is not UNSET:
            return _error(change.at, "InvalidChange", "fields", "their values stand in document; leave out delta")
        document = {} if change.document is None else decode(change.document)
        for text in wire.fields:
            is_present, fields[text] = value_at(document, parse_path(text))
            if not is_present:
                return _error(change.at, "InvalidChange", "fields", f"{text[:80]!r} is not in document")
    delta = Delta({parse_path(text): value for text, value in fields.items()}, tuple(map(parse_path, wire.unset)))
    paths = list(delta.paths())
    if len(set(paths)) < len(wire.fields or fields) + len(wire.unset) or _one_contains_another(paths):
        return _error(
            change.at, "InvalidChange", "delta", "a field is written twice, or one written field is inside another"
        )
    if depth_exceeds(fields, DEPTH_MAX) or any(len(path) > DEPTH_MAX for path in paths):
        return _error(change.at, "DocumentTooDeep", "delta", f"nested deeper than {DEPTH_MAX} levels")
    change.delta = delta
    return None


def _one_contains_another(paths: list[Path]) -> bool:
    known = set(paths)
    return any(path[:length] in known for path in paths for length in range(1, len(path)))


def _raw_text(raw: Raw | msgspec.UnsetType) -> str:
    return "" if raw is UNSET else str(raw, "utf-8")


def _error(at: int, type: str, field: str, problem: str) -> ChangeError:
    return ChangeError(type, f"changes[{at}].{field}: {problem}")

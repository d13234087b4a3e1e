"""Take documents that a device offers after this database has lost a part of its history (a restored backup, a new file).

Each is judged by `reconcile/offered` against what is here, in one transaction for the whole page. No dots are made, so a
page that comes twice changes nothing. The highest counters that the offered versions include are remembered, so that edits
made upon them are understood.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from solidb_sync.clock import iso_text
from solidb_sync.json_value import DEPTH_MAX, DOCUMENT_BYTES_MAX, JsonDocument, decode, depth_exceeds, encode
from solidb_sync.model.crdt.field_states import read_states, states_text
from solidb_sync.model.delta import path_text
from solidb_sync.model.field_dots import SERVER_ACTOR, FieldDots
from solidb_sync.model.version_vector import COUNTER_MAX, EMPTY_VECTOR, VersionVector
from solidb_sync.protocol.limits import CHANGES_PER_BATCH_MAX, PROTOCOLS_SUPPORTED
from solidb_sync.protocol.messages import OfferAnswer, OfferedDocument, OfferRequest, WireVersion
from solidb_sync.protocol.names import key_problem, name_problem
from solidb_sync.reconcile.crdt_merge import join_offered
from solidb_sync.reconcile.decision import Version
from solidb_sync.reconcile.offered import OfferTaken, take_offer
from solidb_sync.server.conflict_records import DECIDED, wire_conflicts
from solidb_sync.server.history import check_history
from solidb_sync.server.proposed_change import vector_problem
from solidb_sync.server.refusals import bad_request, too_large, unsupported_protocol
from solidb_sync.server.storage.backend import WriteSession
from solidb_sync.server.storage.records import ConflictRecord, DocumentName, DocumentWrite, FoundDocument, Writes
from solidb_sync.server.sync_request import check_client
from solidb_sync.server.type_problems import field_problem
from solidb_sync.strict_json import JsonTextError, strict_json

RUNS_MAX = 100
SEQUENCES_SKIPPED_MAX = 2**40
"""How far beyond its newest sequence a server follows the sequences in an offered vector."""

_decoder = msgspec.json.Decoder(OfferRequest)


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked offer; `cursor`, `floor`, `acknowledged` and `pushes` say nothing here."""

    client_id: str
    actor: str
    protocol: int
    epoch: str
    run: str
    horizon: int
    documents: list[OfferedDocument]
    runs: list[str]
    cursor: int = 0
    floor: int = 0
    acknowledged: int = 0
    pushes: int | None = None


@dataclass(slots=True)
class OfferOutcome:
    """What became of the documents of an offer."""

    taken: int = 0
    newest: int = 0
    conflicts: list[ConflictRecord] = field(default_factory=list)
    answer: OfferAnswer | None = None


def read_offer(body: bytes) -> Offer:
    """Return a checked offer, or raise `RequestRefused` naming the field that is wrong."""
    try:
        text, value = strict_json(body, is_envelope=True)
    except JsonTextError as problem:
        raise bad_request(f"body: {problem}") from problem
    try:
        request = _decoder.decode(text)
    except msgspec.ValidationError as problem:
        raise bad_request(field_problem(problem, value)) from problem
    lowest, highest = PROTOCOLS_SUPPORTED
    if not lowest <= request.protocol <= highest:
        raise unsupported_protocol(request.protocol, PROTOCOLS_SUPPORTED)
    actor = request.actor or request.client_id
    check_client(request.client_id, actor)
    if len(request.documents) > CHANGES_PER_BATCH_MAX:
        raise too_large(f"documents: {len(request.documents)}, at most {CHANGES_PER_BATCH_MAX} are taken in one request")
    if not 0 <= request.horizon <= COUNTER_MAX:
        raise bad_request(f"horizon: expected 0 to {COUNTER_MAX}, found {request.horizon}")
    if len(request.runs) > RUNS_MAX:
        raise bad_request(f"runs: {len(request.runs)} of them, at most {RUNS_MAX} are read")
    for at, offered in enumerate(request.documents):
        _check_document(f"documents[{at}]", offered)
    if len({(offered.collection, offered.key) for offered in request.documents}) < len(request.documents):
        raise bad_request("documents: one of them is here twice")
    return Offer(
        client_id=request.client_id,
        actor=actor,
        protocol=request.protocol,
        epoch=request.epoch,
        run=request.run,
        horizon=request.horizon,
        documents=request.documents,
        runs=request.runs,
    )


def _check_document(where: str, offered: OfferedDocument) -> None:
    problem = name_problem(offered.collection)
    if problem is not None:
        raise bad_request(f"{where}.collection: {problem}")
    problem = key_problem(offered.key)
    if problem is not None:
        raise bad_request(f"{where}.key: {problem}")
    if not 0 <= offered.base_seq <= COUNTER_MAX:
        raise bad_request(f"{where}.base_seq: expected 0 to {COUNTER_MAX}, found {offered.base_seq}")
    wrong = vector_problem(offered.version_vector)
    if wrong is not None:
        raise bad_request(f"{where}.version_vector{wrong[0]}: {wrong[1]}")
    if not VersionVector(offered.version_vector):
        raise bad_request(f"{where}.version_vector: expected the edits this version includes, found none")
    try:
        states_text(read_states(_states_text(offered)))
    except (ValueError, KeyError, TypeError, AttributeError) as problem:  # whatever shape it has, it is no state
        raise bad_request(f"{where}.crdt: expected states of replicated fields, by path: {problem!r}") from problem
    if not isinstance(offered.document, Raw):
        return
    document = decode(bytes(offered.document))
    if not isinstance(document, dict):
        raise bad_request(f"{where}.document: expected an object")
    if len(bytes(offered.document)) > DOCUMENT_BYTES_MAX or depth_exceeds(document, DEPTH_MAX):
        raise bad_request(f"{where}.document: larger than {DOCUMENT_BYTES_MAX} bytes, or deeper than {DEPTH_MAX} levels")


def take_offers(session: WriteSession, offer: Offer, now_ms: int) -> OfferOutcome:
    """Judge and write the documents of an offer; raises `RequestRefused` (410) when the history was lost once more."""
    head = session.head()
    check_history(session, offer, head, session.actor(offer.actor))
    outcome = OfferOutcome(newest=_above_offered(head.newest, offer.documents))
    found = _found(session, offer.documents)
    writes: dict[DocumentName, DocumentWrite] = {}
    agreed = max([0, *(end for run in offer.runs if (end := session.end_of_run(run)) is not None)])
    for offered in offer.documents:
        if 0 < offered.base_seq < head.floor <= agreed and (offered.collection, offered.key) not in found:
            continue  # it was here when the histories were one, and was deleted after the device last had it
        known = found.get((offered.collection, offered.key))
        _take_one(session, offered, known, outcome, writes, agreed=agreed, client_id=offer.client_id, now_ms=now_ms)
    session.write(Writes(documents=list(writes.values()), conflicts=outcome.conflicts))
    if outcome.newest != head.newest:
        session.save_newest(outcome.newest)
    session.raise_seen(_counters(offer.documents))
    outcome.answer = OfferAnswer(
        taken=outcome.taken,
        conflicts=wire_conflicts(outcome.conflicts),
        epoch=head.epoch,
        run=head.run,
        newest=outcome.newest,
        server_time=iso_text(now_ms),
    )
    return outcome


def _above_offered(newest: int, documents: list[OfferedDocument]) -> int:
    """Return the newest sequence, raised above the server's own counters in the offered vectors: no dot is used twice."""
    highest = max([newest, *(offered.version_vector.get(SERVER_ACTOR, 0) for offered in documents)])
    if highest > newest + SEQUENCES_SKIPPED_MAX:
        raise bad_request(f"documents: {SERVER_ACTOR}: {highest} is no sequence this server ever gave out")
    return highest


def _found(session: WriteSession, documents: list[OfferedDocument]) -> dict[DocumentName, FoundDocument]:
    keys: dict[str, set[str]] = {}
    for offered in documents:
        keys.setdefault(offered.collection, set()).add(offered.key)
    return {
        (collection, found.key): found
        for collection, wanted in keys.items()
        for found in session.find(collection, list(wanted))
    }


def _counters(documents: list[OfferedDocument]) -> dict[str, int]:
    counters = VersionVector()
    for offered in documents:
        counters = counters.merge(VersionVector(offered.version_vector))
    return {actor: count for actor, count in counters.items() if actor != SERVER_ACTOR}


def _take_one(
    session: WriteSession,
    offered: OfferedDocument,
    found: FoundDocument | None,
    outcome: OfferOutcome,
    writes: dict[DocumentName, DocumentWrite],
    *,
    agreed: int,
    client_id: str,
    now_ms: int,
) -> None:
    document: JsonDocument | None = decode(bytes(offered.document)) if isinstance(offered.document, Raw) else None
    current = None if found is None else _version(session, offered.collection, found)
    seq = outcome.newest + 1
    vector = VersionVector(offered.version_vector)
    if current is not None and found is not None and found.seq <= min(offered.base_seq, agreed):
        vector = vector.merge(current.vector)  # the device had this version, in whatever form its vector was then
    taken = take_offer(current, document, vector, seq=seq)
    if taken is None:
        return
    outcome.newest = seq
    outcome.taken += 1
    if taken.overruled_paths is not None and current is not None and found is not None:
        outcome.conflicts.append(_conflict(offered, current, found, taken, client_id=client_id, seq=seq, now_ms=now_ms))
    version = taken.version
    body, crdt = join_offered(
        version.document,
        states="" if found is None else session.crdt_state(offered.collection, found.row),
        seen=EMPTY_VECTOR if current is None else current.vector,
        offered=_states_text(offered),
        offered_seen=VersionVector(offered.version_vector),
    )
    writes[offered.collection, offered.key] = DocumentWrite(
        collection=offered.collection,
        key=offered.key,
        row=found.row if found else 0,
        old_seq=found.seq if found else 0,
        seq=seq,
        body=None if body is None else encode(body).decode(),
        vector=version.vector.to_json().decode(),
        dots=version.dots.to_json().decode(),
        author=SERVER_ACTOR,
        counter=seq,
        is_applied=False,
        updated_ms=now_ms,
        crdt=crdt,
    )


def _states_text(offered: OfferedDocument) -> str:
    return bytes(offered.crdt).decode() if isinstance(offered.crdt, Raw) else ""


def _version(session: WriteSession, collection: str, found: FoundDocument) -> Version:
    body = None if found.is_deleted else session.body(collection, found.row)
    document = None if body is None else decode(body)
    return Version(document, VersionVector(decode(found.vector)), FieldDots.from_json(found.dots))


def _conflict(
    offered: OfferedDocument,
    current: Version,
    found: FoundDocument,
    taken: OfferTaken,
    *,
    client_id: str,
    seq: int,
    now_ms: int,
) -> ConflictRecord:
    name = f"{offered.collection}\n{offered.key}\n{VersionVector(offered.version_vector).to_json().decode()}"
    theirs = WireVersion(
        offered.document, offered.version_vector, offered.timestamp, deleted=not isinstance(offered.document, Raw)
    )
    here = Raw(encode(current.document)) if current.document is not None else msgspec.UNSET
    ours = WireVersion(here, dict(current.vector), iso_text(found.updated_ms), deleted=current.document is None)
    fields = encode([path_text(path) for path in taken.overruled_paths or ()]).decode()
    return ConflictRecord(
        change_id="offer-" + hashlib.blake2b(name.encode(), digest_size=20).hexdigest(),
        client_id=client_id,
        collection=offered.collection,
        key=offered.key,
        strategy="last_write_wins",
        winner="local" if taken.offered_wins else "remote",
        status=DECIDED,
        fields=fields,
        written=fields,
        lost="[]" if taken.offered_wins else fields,
        local=encode(theirs).decode(),
        remote=encode(ours).decode(),
        base="{}",
        at_ms=now_ms,
        seq=seq,
        resolved_seq=0,
    )

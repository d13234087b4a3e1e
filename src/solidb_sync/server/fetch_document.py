"""One document as a pull brings it, whole, for a device that has dropped it to save room."""

from __future__ import annotations

import msgspec

from solidb_sync.protocol.messages import FetchAnswer, FetchRequest
from solidb_sync.protocol.names import key_problem, name_problem
from solidb_sync.server.collect_changes import FIELDS_WHERE_SHORTER, server_change
from solidb_sync.server.refusals import bad_request
from solidb_sync.server.storage.backend import ReadSession

_decoder = msgspec.json.Decoder(FetchRequest)


def read_fetch(body: bytes) -> FetchRequest:
    """Return what a request asks for, or raise `RequestRefused` saying what is wrong."""
    try:
        asked = _decoder.decode(body)
    except msgspec.MsgspecError as problem:
        raise bad_request(f"body: {problem}") from problem
    for field, problem_text in (("collection", name_problem(asked.collection)), ("key", key_problem(asked.key))):
        if problem_text is not None:
            raise bad_request(f"{field}: {problem_text}")
    return asked


def fetch_document(session: ReadSession, asked: FetchRequest) -> FetchAnswer:
    """Return the document with its version vector and the states of its replicated fields."""
    head = session.head()
    answer = FetchAnswer(head.epoch, head.run)
    stored = session.document(asked.collection, asked.key)
    if stored is None or stored.body is None:
        return answer
    for number in session.collection_ids([asked.collection]):
        if session.has_crdt_states(number):
            states = session.crdt_states(number, [stored.row])
            stored = stored._replace(crdt=states.get(stored.row, ""))
    answer.change, _ = server_change(asked.collection, stored, since=0, policy=FIELDS_WHERE_SHORTER)
    return answer

"""The vectors beside this file are the protocol in literal JSON, for whoever writes a client; here they are replayed.

A vector has a title, a description, the requests that lead from an empty server to the starting state (`start`), a
request, and its answer. Fields at the top of an answer that say nothing (false, null, 0, empty) are left out. Bodies
are JSON (`body`) or, of attached bytes, plain (`text`), with the headers that matter.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wire_replay import VECTORS, Vector, replay

NAMES = sorted(path.stem for path in VECTORS.glob("*.json"))
COVERED = {
    "by-hand-delta": "the JSON that the first documentation printed",
    "push-insert": "a push",
    "pull-first": "a pull",
    "pull-delta": "fields and unset",
    "need-full": "need_full",
    "duplicate": "duplicate",
    "rejected": "rejected and skipped",
    "conflict-last-write-wins": "a conflict",
    "conflict-list": "open conflicts",
    "register": "registration",
    "rolled-back": "rolled back",
    "stale-cursor": "a cursor from another history",
    "crdt-counter": "replicated fields",
    "view-remove": "filters",
    "offer": "a server that lost its past",
    "attachment-put-first": "attached bytes in pieces",
    "attachment-get-piece": "and back",
    "attachment-wrong-offset": "an upload that goes on",
    "attachment-wrong-digest": "bytes that are not what was named",
    "crdt-former": "operations that were under way then",
}


def vector(name: str) -> Vector:
    """Return a vector by its name."""
    found: Vector = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_the_server_answers_as_the_vector_says(name: str, tmp_path: Path) -> None:
    """Status and whole body; every request of the starting state is taken."""
    told = vector(name)
    *before, answer = await replay([*told["start"], told["request"]], tmp_path / "server")
    assert [found["status"] for found in before] == [200] * len(told["start"])
    assert answer == told["answer"]


@pytest.mark.parametrize("name", NAMES)
def test_every_vector_says_what_it_shows(name: str) -> None:
    told = vector(name)
    assert set(told) == {"title", "description", "start", "request", "answer"}
    assert told["title"]


def test_the_vectors_cover_the_protocol() -> None:
    assert set(COVERED) <= set(NAMES)

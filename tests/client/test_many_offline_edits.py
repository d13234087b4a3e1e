"""5.17: what a long backlog of edits of one document costs: bytes, requests and versions (docs/decisions/0014)."""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path

import pytest
from tests.filters.conftest import World, rows, synced, wire_of

EDITS = 300
BATCH = 100
LONG = "".join(f"word{number} " for number in range(250))
BYTES_AN_EDIT_MAX = 230
PACKED_BYTES_AN_EDIT_MAX = 40
BYTES_BESIDE_MAX = 400
"""What a request has besides its edits."""


@pytest.mark.parametrize("saves_all_of_it", [True, False])
def test_every_edit_of_a_backlog_costs_its_field_and_its_name_and_others_fetch_one_version(
    tmp_path: Path, saves_all_of_it: bool
) -> None:
    """The length of the document does not matter, nor whether all of it was saved or only the field that changed."""

    async def test() -> None:
        world = World(tmp_path / "world")
        phone, laptop = world.device("phone", batch_size=BATCH), world.device("laptop")
        document = {"n": 0, "text": LONG}
        await phone.save_document("notes", "one", document)
        await synced(phone, laptop)
        begin = len(wire_of(phone).sent)
        for number in range(1, EDITS + 1):
            edited = {**document, "n": number} if saves_all_of_it else {"n": number}
            await phone.save_document("notes", "one", edited, merge=not saves_all_of_it)
        await synced(phone)
        bodies = [request.body for request in wire_of(phone).sent[begin:]]
        assert len(bodies) == EDITS / BATCH
        assert sum(map(len, bodies)) <= EDITS * BYTES_AN_EDIT_MAX + len(bodies) * BYTES_BESIDE_MAX
        packed = sum(len(zlib.compress(body, 1)) for body in bodies)
        assert packed <= EDITS * PACKED_BYTES_AN_EDIT_MAX + len(bodies) * BYTES_BESIDE_MAX
        assert (await laptop.sync_now()).pulled == 1
        assert await rows(laptop) == {"one": {"n": EDITS, "text": LONG}}
        await world.close()

    asyncio.run(test())

"""Whether both devices and the server hold equal documents."""

from __future__ import annotations

from typing import Any

from solidb_sync.cli.output import json_text
from solidb_sync.client.transport.http_transport import HttpClient
from solidb_sync.errors import SoliDBError
from solidb_sync.json_value import decode

PAGE_DOCUMENTS = 1_000
Contents = dict[str, dict[str, Any]]
"""The documents of one place: collection, key, document."""


def plain(documents: dict[str, Any]) -> dict[str, Any]:
    """Return documents by key without the fields that reads add."""
    return {
        key: {name: value for name, value in document.items() if not name.startswith("_")}
        for key, document in documents.items()
    }


def differences(places: dict[str, Contents]) -> list[str]:
    """Return `collection/key: where it differs`, one for each document that is not the same in all places.

    >>> differences({"phone": {"notes": {"a": {"n": 1}}}, "server": {"notes": {"a": {"n": 2}}}})
    ['notes/a: phone has {"n":1}, server has {"n":2}']
    """
    found = []
    for collection in sorted({name for contents in places.values() for name in contents}):
        by_place = {place: contents.get(collection, {}) for place, contents in places.items()}
        for key in sorted({key for documents in by_place.values() for key in documents}):
            versions = {place: documents.get(key) for place, documents in by_place.items()}
            first = next(iter(versions.values()))
            if any(version != first for version in versions.values()):
                found.append(f"{collection}/{key}: {_told(versions)}")
    return found


def _told(versions: dict[str, Any]) -> str:
    shown = {place: "none" if document is None else json_text(document) for place, document in versions.items()}
    return ", ".join(f"{place} has {text}" for place, text in shown.items())


async def server_contents(client: HttpClient, collections: tuple[str, ...]) -> Contents:
    """Return what the server holds."""
    return {name: plain(await _server_documents(client, name)) for name in collections}


async def _server_documents(client: HttpClient, collection: str) -> dict[str, Any]:
    path = f"/_api/database/{client.database}/document/{collection}"
    answer = await client.exchange("GET", path, query={"limit": str(PAGE_DOCUMENTS)})
    if answer.status != 200:
        raise SoliDBError(f"server: {path} answered {answer.status}")
    page = decode(answer.body)
    assert not page["has_more"], "the demo makes fewer documents than one page holds"
    return {document["_key"]: document for document in page["documents"]}

"""The page a third party writes a client from says what every field of every message is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from solidb_sync.protocol import messages

PAGE = (Path(__file__).parents[2] / "docs" / "PROTOCOL.md").read_text("utf-8")
SAME_AS_ANOTHER = {"LooseSyncRequest": "SyncRequest"}
MESSAGES = {
    name: kind
    for name, kind in vars(messages).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == messages.__name__
}


def fields_of(name: str) -> set[str]:
    """Return the fields of a message, as they are spelt on the wire."""
    return {found.encode_name for found in msgspec.structs.fields(MESSAGES[name])}


def described(name: str) -> dict[str, str]:
    """Return the rows of a message's table on the page: each field with what is said of it."""
    section = re.search(rf"^### `{name}`$(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/PROTOCOL.md: no section '### `{name}`'"
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section[1].splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): cells[-1].strip() for cells in rows}


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - SAME_AS_ANOTHER))
def test_every_field_of_a_message_is_described_and_nothing_else(name: str) -> None:
    rows = described(name)
    assert set(rows) == fields_of(name)
    assert all(rows.values())


@pytest.mark.parametrize(("name", "other"), SAME_AS_ANOTHER.items())
def test_a_message_that_is_read_in_two_ways_has_the_same_fields_in_both(name: str, other: str) -> None:
    assert fields_of(name) == fields_of(other)


def test_every_vector_the_page_names_is_there() -> None:
    """In the walk through a client, and of attachments, names in brackets are those of files."""
    walk = PAGE.partition("## Writing a client")[2].partition("### Errors")[0]
    attachments = PAGE.partition("## Attachments")[2].partition("\n## ")[0]
    named = {name for group in re.findall(r"\((`[a-z`, -]+`)\)", walk) for name in re.findall(r"`([a-z-]+)`", group)}
    there = {path.stem for path in (Path(__file__).parents[1] / "wire").glob("*.json")}
    assert named
    assert named <= there
    shown = set(re.findall(r"`(attachment-[a-z-]+)`", attachments))
    assert shown == {name for name in there if name.startswith("attachment-")}

"""What must be true of the bytes on the wire: fields where they are short enough for their device, else whole documents.

What an edit comes to is the same in either form; the ledger knows nothing of forms, so every check of it shows that too.
Here is weighed what was sent, by an account of its own: JSON is measured anew, from the values the ledger has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from solidb_sync.protocol.messages import ClientSettings
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_judgement import Body
from solidb_sync.testing.model_oracle import Ledger, Place, Version, parse_path

SLACK_BYTES = 8
"""What two ways to count braces and commas may differ by."""


@dataclass(frozen=True, slots=True)
class DeltaRule:
    """Up to which part of a document its fields are sent to and by a device, and in which collections never."""

    threshold: float = 0.5
    whole: Collection[str] = ()

    def fields_fit(self, collection: str, fields: int, document: int, *, slack: int) -> bool:
        """Return whether so many bytes of fields may be sent, with the count off by `slack` in their favour."""
        if collection in self.whole:
            return False
        return fields < document + slack and fields <= self.threshold * document + slack


def read_rule(settings: ClientSettings) -> DeltaRule:
    """Return the rule that a device goes by."""
    return DeltaRule(settings.delta_threshold, settings.whole)


def check_economy(asked: Mapping[str, Any], told: Mapping[str, Any], rule: DeltaRule, ledger: Ledger) -> None:
    """35 delta economy: no change is longer than its fields, or than its document, whichever the rule says."""
    for change in asked.get("changes", ()):
        _check_sent(change, rule)
    if asked.get("views") or asked.get("full") or asked.get("collections"):
        return
    since = min(asked.get("caught_up", 0), asked.get("version_vector", {}).get("server", 0))
    for change in told["server_changes"]:
        place = change["collection"], change["key"]
        version = ledger.version_at(place, change["seq"])
        if version.seq == change["seq"] and version.body is not None and place not in ledger.fields:
            _check_got(change, version, rule, ledger, since)


def _check_sent(change: Mapping[str, Any], rule: DeltaRule) -> None:
    """A device sends the document in place of the fields only where those are too long."""
    if not change.get("fields"):
        return
    values = {text: _value_at(change["document"], text) for text in change["fields"]}
    fields = _size(values) + (_size(change["unset"]) if change.get("unset") else 0)
    if rule.fields_fit(change["collection"], fields, _size(change["document"]), slack=-SLACK_BYTES):
        broken("35 delta economy", f"{change['id']} was sent whole, its fields take {fields} bytes: {change}")


def _check_got(change: Mapping[str, Any], version: Version, rule: DeltaRule, ledger: Ledger, since: int) -> None:
    """A device gets fields where they are short, and a document where they are not, or where it has nothing below them."""
    place = change["collection"], change["key"]
    document = _size(version.body)
    if change["operation"] == "update":
        fields = _size(change["delta"]) + sum(map(len, change.get("unset", ())))
        if not rule.fields_fit(place[0], fields, document, slack=SLACK_BYTES):
            broken("35 delta economy", f"{place} came as {fields} bytes of fields of a document of {document}: {rule}")
        return
    names = _written_since(place, version, since, ledger)
    if names is None or not since:
        return
    assert version.body is not None
    kept = {name: version.body[name] for name in names if name in version.body}
    fields = _size(kept) + sum(len(name) for name in names if name not in kept)
    if rule.fields_fit(place[0], fields, document, slack=-SLACK_BYTES):
        broken("35 delta economy", f"{place} came whole, {document} bytes; what was written since {since} takes {fields}")


def _written_since(place: Place, version: Version, since: int, ledger: Ledger) -> set[str] | None:
    """Return the fields that edits since a sequence may have changed; None when one of them may have changed anything."""
    before = ledger.version_at(place, since)
    if before.body is None:
        return None
    names: set[str] = set()
    for later in ledger.versions[place]:
        if since < later.seq <= version.seq:
            write = ledger.sent[later.change_id]
            if write.operation != "update" or later.body is None or not write.paths():
                return None
            names |= {path[0] for path in write.paths()}
    return names


def _value_at(document: Body, text: str) -> object:
    here: Any = document
    for name in parse_path(text):
        here = here[name]
    return here


def _size(value: object) -> int:
    return len(msgspec.json.encode(value))

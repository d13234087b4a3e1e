"""What changes that the server refused had made of replicated fields, for the save that takes these changes over.

A user who saves over a refused increment sees it on the screen, and keeps it: the save asks of every field what is shown,
on top of what the server has. That has to go out as operations, or the count of somebody else at the same time would meet a
plain number. Where the server knows the field already, the difference is an operation anyhow. Where only refused changes
knew it, the field has to *begin* again, as it would have with the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.crdt.authorship import OperationError
from solidb_sync.model.crdt.field_states import ALWAYS_SEEN, NO_STATES, FieldProblem, FieldStates, Operations, with_value
from solidb_sync.model.crdt.registry import State, empty_operation, same_content
from solidb_sync.model.delta import Path, value_at


class RefusedFields(Struct, frozen=True):
    """`shown`: the values on the screen that are not the server's; `begun`: the fields only refused changes knew, as each
    begins; `empty`: operations that make those of them the document has nothing of, and do nothing else.
    """

    shown: Mapping[Path, Any]
    begun: FieldStates
    empty: Operations

    def kept_in(self, wanted: JsonDocument) -> JsonDocument:
        """Return a document to save with the fields that it leaves out as they are shown; these stay."""
        for path, value in self.shown.items():
            if not value_at(wanted, path)[0]:
                try:
                    wanted = with_value(wanted, path, value)
                except FieldProblem:
                    continue  # it leaves no place for the field, which is told of all fields in one way
        return wanted


NO_REFUSED_FIELDS = RefusedFields({}, NO_STATES, {})


def refused_fields(shown: FieldStates, ground: FieldStates, document: JsonDocument | None) -> RefusedFields:
    """Return what the screen has of fields beyond the ground under the refused changes: its states and its document."""
    changed = {path: state for path, state in shown.items() if path not in ground or not same_content(ground[path], state)}
    begun: dict[Path, State] = {}
    empty = {}
    for path, state in changed.items():
        if path in ground:
            continue
        is_plain, value = (False, None) if document is None else value_at(document, path)
        if not is_plain:
            begun[path], empty[path] = type(state)(), empty_operation(state)
            continue
        try:
            begun[path] = type(state).from_plain(value, ALWAYS_SEEN)
        except OperationError:
            continue  # another plain value has come into its place: there what is shown can only be a plain value, too
    return RefusedFields({path: state.value() for path, state in changed.items()}, begun, empty)

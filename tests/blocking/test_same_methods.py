"""The two faces of a manager have the same methods: whoever adds one to the one face adds it to the other."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from solidb_sync import SyncManager, blocking
from solidb_sync.client import attachment_reader, commands, local_edits

PAIRS = [
    (SyncManager, blocking.SyncManager),
    (local_edits.Transaction, blocking.Transaction),
    (commands.CommandSender, blocking.CommandSender),
    (attachment_reader.AttachmentReader, blocking.AttachmentReader),
]
ONLY_BLOCKING = {"within", "has_changed", "attachment"}
"""What has no awaited counterpart among the methods; two are attributes there."""
FOR_THE_LOOP = {"receive", "close"}
"""Methods of a command sender that are not for those who send."""
ENDED_BY_TIME = {"changes", "events", "sync_states", "watch"}


def public(kind: type) -> set[str]:
    """Return the names of a class that are meant for its users."""
    names = {name for name in dir(kind) if not name.startswith("_")}
    return names - FOR_THE_LOOP if kind is commands.CommandSender else names - ONLY_BLOCKING


def parameters(method: object) -> list[inspect.Parameter]:
    """Return what a method takes, without the limit that the blocking iterators have."""
    found = inspect.signature(method).parameters.values()  # type: ignore[arg-type]
    return [each for each in found if each.name != "timeout"]


@pytest.mark.parametrize(("awaited", "without"), PAIRS)
def test_both_faces_have_the_same_methods(awaited: type, without: type) -> None:
    """One line in the class without `await` is all a new method needs: `name = blocking(AsyncManager.name)`."""
    assert public(without) == public(awaited)


@pytest.mark.parametrize(("awaited", "without"), PAIRS)
def test_every_method_takes_the_same_arguments_and_none_is_awaited(awaited: type, without: type) -> None:
    for name in public(without):
        asynchronous, plain = getattr(awaited, name), getattr(without, name)
        assert parameters(plain) == parameters(asynchronous), name
        assert not inspect.iscoroutinefunction(plain), name
        assert ("timeout" in inspect.signature(plain).parameters) == (name in ENDED_BY_TIME), name


def test_making_a_manager_takes_the_same_arguments() -> None:
    assert parameters(blocking.SyncManager) == parameters(SyncManager)


def test_what_has_an_await_is_documented_in_the_same_words() -> None:
    """`stop` also ends the thread, and says so; an attachment is read in a plain `with`."""
    for name in public(blocking.SyncManager) - {"open_attachment", "stop"}:
        if inspect.iscoroutinefunction(getattr(SyncManager, name)):
            assert getattr(blocking.SyncManager, name).__doc__ == getattr(SyncManager, name).__doc__, name


def test_it_is_loaded_only_by_those_who_ask_for_it() -> None:
    loaded = "import sys, solidb_sync; sys.exit('solidb_sync.blocking' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], timeout=60, check=False).returncode == 0

"""A transaction is never half visible: at every cursor a device stores, it shows all of a transaction or nothing of it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from solidb_sync.server import whole_transactions

KEYS = "abcdef"


class Reader:
    """A device that only reads, page by page, and remembers what each document's version includes."""

    def __init__(self, server: Any, name: str) -> None:
        self.device = server.device(name)
        self.cursor = self.caught_up = 0
        self.vectors: dict[str, dict[str, int]] = {}

    def read(self, limit: int) -> bool:
        """Read one page; return whether there is more."""
        told = self.device.sync(
            limit=limit, version_vector={"server": self.cursor}, caught_up=self.caught_up, protocol=1, collections=None
        )
        for change in told["server_changes"]:
            self.vectors[change["key"]] = change["version_vector"]
        self.cursor = told["cursor"]
        if not told["has_more"]:
            self.caught_up = self.cursor
        return bool(told["has_more"])

    def shows(self, key: str, dot: tuple[str, int]) -> bool:
        return self.vectors.get(key, {}).get(dot[0], 0) >= dot[1]


def transaction(author: Any, keys: list[str], bases: dict[str, dict[str, int]], name: str) -> dict[str, tuple[str, int]]:
    """Write documents in one transaction (or singly, with one key); return the dot of each."""
    changes = []
    for key in keys:
        extra = {"transaction": name, "transaction_size": len(keys)} if len(keys) > 1 else {}
        changes.append(author.insert(key, {"v": name}, base_version=dict(bases.get(key, {})), **extra))
    assert author.statuses(*changes) == ["applied"] * len(keys)
    dots = {}
    for key, change in zip(keys, changes, strict=True):
        bases[key] = {**bases.get(key, {}), author.actor: change["counter"]}
        dots[key] = (author.actor, change["counter"])
    return dots


@pytest.mark.parametrize("seed", range(40))
def test_every_page_shows_all_of_a_transaction_or_nothing_of_it(server: Any, seed: int) -> None:
    rng = random.Random(seed)
    author, reader = server.device("author"), Reader(server, "reader")
    bases: dict[str, dict[str, int]] = {}
    done: list[dict[str, tuple[str, int]]] = []
    for number in range(30):
        keys = rng.sample(KEYS, rng.choice([1, 1, 2, 3]))
        done.append(transaction(author, keys, bases, f"t{number}"))
        if rng.random() < 0.5:
            reader.read(rng.choice([1, 2, 3]))
            for dots in done:
                shown = {key: reader.shows(key, dot) for key, dot in dots.items()}
                assert len(set(shown.values())) == 1, f"after {number}: half of {dots}: {shown}"
    while reader.read(2):
        pass
    assert reader.vectors == bases


def test_other_collections_and_a_page_that_is_the_last_are_as_ever(server: Any) -> None:
    author = server.device("author")
    bases: dict[str, dict[str, int]] = {}
    transaction(author, ["a", "b"], bases, "t1")
    transaction(author, ["c"], bases, "t2")
    whole = server.device("reader").sync(limit=10)
    assert [change["seq"] for change in whole["server_changes"]] == [1, 2, 3]
    first = server.device("reader").sync(limit=1)
    assert (first["cursor"], first["has_more"]) == (1, True)
    assert [change["key"] for change in first["server_changes"]] == ["a", "b"]


def test_what_hangs_together_without_end_goes_page_by_page(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is kept: the page comes without the others, and the device has all of them when it has caught up."""
    monkeypatch.setattr(whole_transactions, "TOGETHER_DOCUMENTS_MAX", 3)
    author, reader = server.device("author"), Reader(server, "reader")
    bases: dict[str, dict[str, int]] = {}
    for number in range(4):
        transaction(author, ["stock", f"sale{number}"], bases, f"t{number}")
    while reader.read(1):
        pass
    assert reader.vectors == bases


def test_a_transaction_that_failed_ties_nothing_together(server: Any) -> None:
    author = server.device("author")
    good = author.insert("a", {}, transaction="t", transaction_size=2)
    bad = author.insert("b", [], transaction="t", transaction_size=2)
    assert author.statuses(good, bad) == ["rejected", "rejected"]
    assert server.rows("SELECT count(*) FROM together") == [(0,)]

"""A commit rings for those whom it concerns, at a cost that does not follow how many others listen (D, J3)."""

from __future__ import annotations

import json
import random
from contextlib import ExitStack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from solidb_sync.filters.row_filter import row_filter
from solidb_sync.server.live.doorbell import Doorbell, News
from solidb_sync.server.live.filter_index import FilterIndex
from solidb_sync.server.live.range_index import RangeIndex
from solidb_sync.server.live.selective_bell import Commit


class Listeners:
    """Listeners of one bell, each with a filter on the notes."""

    def __init__(self, **filters: str | None) -> None:
        self.bell, self._stack, self.heard = Doorbell(), ExitStack(), dict.fromkeys(filters, 0)
        self.listeners = {name: self._stack.enter_context(self.bell.listening("db", name)) for name in filters}
        for name, text in filters.items():
            self.bell.set_filters("db", name, {} if text is None else {"notes": row_filter(text, collection="notes")})

    def ring(
        self, *rows: dict[str, Any], collection: str = "notes", holders: tuple[str, ...] = (), author: str = ""
    ) -> list[str]:
        commit = Commit(frozenset([collection]), [(collection, row) for row in rows], frozenset(holders))
        self.bell.ring("db", News(1), author, commit)
        return self.rung()

    def rung(self) -> list[str]:
        rung = [name for name, listener in self.listeners.items() if listener._rung.is_set()]
        for listener in self.listeners.values():
            listener._rung.clear()
        return rung


def test_a_commit_rings_for_filters_that_may_match_for_holders_and_for_the_unfiltered() -> None:
    listeners = Listeners(all=None, oslo="city == 'Oslo'", rome="city == 'Rome'", old="age > 60", odd="LENGTH(city) == 3")
    assert listeners.ring({"city": "Oslo", "age": 30}) == ["all", "oslo", "odd"]
    assert listeners.ring({"city": "Bonn", "age": 70}) == ["all", "old", "odd"]
    assert listeners.ring({"city": "Oslo"}, holders=("rome",), author="oslo") == ["all", "rome", "odd"]
    assert listeners.ring(holders=("old",)) == ["all", "old"]
    assert listeners.ring({}, collection="tasks") == ["all", "oslo", "rome", "old", "odd"]
    listeners.bell.ring("db", News(2), "")
    assert listeners.rung() == ["all", "oslo", "rome", "old", "odd"]


def test_another_filter_is_heard_by_from_then_on_and_who_leaves_hears_nothing() -> None:
    listeners = Listeners(phone="city == 'Oslo'")
    listeners.bell.set_filters("db", "phone", {"notes": row_filter("city == 'Rome'", collection="notes")})
    assert listeners.ring({"city": "Oslo"}) == []
    assert listeners.ring({"city": "Rome"}) == ["phone"]
    listeners.bell.set_filters("db", "phone", {})
    assert listeners.ring({"city": "Oslo"}) == ["phone"]
    listeners._stack.close()
    assert (listeners.ring({"city": "Rome"}), listeners.bell.is_selective("db"), listeners.bell.listener_count) == (
        [],
        False,
        0,
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "add", "discard", "look"]), st.integers(0, 30), st.integers(0, 12)), max_size=300
    )
)
def test_a_range_index_finds_what_looking_at_every_range_finds(steps: list[tuple[str, int, int]]) -> None:
    index: RangeIndex[int] = RangeIndex()
    known: dict[int, tuple[Any, Any]] = {}
    for what, member, number in steps:
        match what:
            case "add":
                index.discard(member)
                known[member] = ((2, number) if number % 3 else None, (2, number + member % 5) if number % 4 else None)
                index.add(member, *known[member])
            case "discard":
                index.discard(member)
                known.pop(member, None)
            case _:
                index._build()
        for value in (number, number - 0.5):
            place = (2, value)
            expected = {
                one
                for one, (low, high) in known.items()
                if (low is None or low <= place) and (high is None or place <= high)
            }
            assert set(index.containing(place)) == expected


def test_the_work_of_a_look_up_does_not_grow_with_the_filters_that_do_not_match() -> None:
    def work(count: int) -> int:
        index: FilterIndex[int] = FilterIndex()
        for number in range(count):
            low, high = number * 10, number * 10 + 9
            index.add(number, row_filter("n >= @low AND n <= @high", {"low": low, "high": high}, collection="notes").index)
        assert set(index.candidates({"n": count * 5 + 3})) == {count // 2}  # which also builds it
        ranges = index._by_range["n",]
        before = ranges.looked_at
        assert list(index.candidates({"n": count * 5 + 3})) == [count // 2]
        return ranges.looked_at - before

    assert work(8_000) <= 3 * work(80)


def test_a_thousand_other_filters_are_not_looked_at_when_one_matches() -> None:
    names = [f"c{number}" for number in range(1_000)]
    random.Random(1).shuffle(names)
    listeners = Listeners(**{name: f"owner == '{name}'" for name in names})
    assert listeners.ring({"owner": "c77"}) == ["c77"]


def test_a_push_over_http_rings_only_for_the_stream_it_concerns(server: Any) -> None:
    bell = server.app.state.context.doorbell
    with bell.listening("db", "oslo") as oslo, bell.listening("db", "rome") as rome:
        for name, city in (("oslo", "Oslo"), ("rome", "Rome")):
            settings = {"filters": {"notes": {"query": f"city == '{city}'"}}}
            assert server.post("/_api/sync/clients/db", {"client_id": name, "settings": settings}).status_code == 200
        other = server.device("other")
        other.push(other.insert("a", {"city": "Oslo"}))
        assert (oslo._rung.is_set(), rome._rung.is_set()) == (True, False)
        oslo._rung.clear()
        pulled = json.loads(server.get("/_api/sync/pull/db?client_id=oslo").text)
        assert [change["key"] for change in pulled["server_changes"]] == ["a"]
        other.push(other.update("a", {"city": "Rome"}, base={"other": 1}))
        assert (oslo._rung.is_set(), rome._rung.is_set()) == (True, True), "whoever held the old version is told"
        oslo._rung.clear()
        rome._rung.clear()
        other.push(other.insert("b", {"city": "Bonn"}))
        assert (oslo._rung.is_set(), rome._rung.is_set()) == (False, False)

"""The shell without a terminal: what is submitted, and what is said."""

import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import sdbql
from sdbql.shell.history_file import HISTORY_BYTES_MAX, history_path, prepare_history
from sdbql.shell.interruptible import run_interruptibly
from sdbql.shell.session import TABLE_ROWS_MAX, Shell


class Users:
    """Two users; one collection that cannot be read."""

    errors = (OSError,)

    def collections(self) -> list[str]:
        return ["broken", "users"]

    def sample(self, collection: str, count: int) -> list[dict[str, Any]]:
        if collection == "broken":
            raise OSError("the disk is gone")
        return [{"name": "Zoë", "address": {"city": "Oslo"}}, {"age": 7}][:count]

    def run(self, text: str, bind_vars: Mapping[str, Any]) -> list[Any]:
        if "broken" in text:
            raise OSError("the disk is gone")
        return sdbql.run(text, bind_vars, {"users": [{"name": "Zoë", "age": 30}, {"name": "Bo", "age": 12}]})

    def explain(self, text: str, bind_vars: Mapping[str, Any]) -> str:
        return sdbql.parse(text).explain()


class Conversation:
    """A shell, and what it has said."""

    def __init__(self, **options: Any) -> None:
        self.shown: list[str] = []
        self.told: list[str] = []
        self.shell = Shell(Users(), show=self.shown.append, tell=self.told.append, **options)

    def __call__(self, text: str) -> tuple[list[str], list[str]]:
        """Submit a text that is not the last; return what was shown and told."""
        assert self.shell.submit(text)
        answer = self.shown[:], self.told[:]
        self.shown.clear()
        self.told.clear()
        return answer


def test_rows_are_a_table_and_are_counted() -> None:
    """The `;` at the end is no part of the query."""
    said = Conversation()
    assert said("FOR u IN users SORT u.age RETURN u;") == (
        ["name  age", "----  ---", "Bo     12", "Zoë    30"],
        ["(2 rows)"],
    )
    assert said("FOR u IN users FILTER false RETURN u") == ([], ["(0 rows)"])
    assert said(" ; ") == ([], [])


def test_as_json_a_row_is_a_line() -> None:
    """And nothing else is said."""
    said = Conversation(as_json=True)
    assert said("FOR u IN users RETURN u.name") == (['"Zoë"', '"Bo"'], [])
    assert said(".json off")[1] == ["rows are printed as tables"]
    assert said("RETURN 1") == (["result", "------", "     1"], ["(1 row)"])
    assert said(".json")[1] == ["rows are printed as lines of JSON"]
    assert said(".json maybe")[1] == [".json maybe: expected on or off"]


def test_many_rows_are_cut_and_the_cut_is_told() -> None:
    """A screen is no place for a million rows."""
    shown, told = Conversation()("FOR i IN 1..1500 RETURN i")
    assert len(shown) == TABLE_ROWS_MAX + 2
    assert told == ["(1500 rows; the first 1000 are shown)"]


def test_an_error_is_told_with_its_place_and_the_shell_goes_on() -> None:
    """Errors of the language, and those that what is queried says it may raise."""
    said = Conversation()
    assert said("RETURN 1 +* 2")[1][0].split("\n")[2:4] == ["    RETURN 1 +* 2", "              ^"]
    assert said("FOR b IN broken RETURN b") == ([], ["the disk is gone"])
    assert said.shell.has_failed
    assert said("RETURN 1")[1] == ["(1 row)"]


def test_binds_are_given_listed_and_used() -> None:
    """Those given from outside too."""
    said = Conversation(bind_vars={"min": 18})
    said(".bind city=Oslo")
    assert said(".bind")[0] == ['city="Oslo"', "min=18"]
    assert said("FOR u IN users FILTER u.age > @min RETURN @city")[0][2:] == ["Oslo"]
    assert "expected NAME=VALUE" in said(".bind nonsense")[1][0]


def test_collections_fields_and_plans_are_listed() -> None:
    """Without running anything."""
    said = Conversation()
    assert said(".collections")[0] == ["broken", "users"]
    assert said(".fields users")[0] == ["address", "address.city", "age", "name"]
    assert said(".fields nobody")[1] == ["there is no collection 'nobody'; .collections lists them"]
    assert said(".explain FOR u IN users RETURN u;")[0] == ["for each u in users\nreturn u"]
    assert any(".explain QUERY" in line for line in said(".help")[0])
    assert said(".frobnicate")[1] == [".frobnicate is no command; .help lists them"]


@pytest.mark.parametrize("text", [".quit", "exit", ".exit", "quit"])
def test_quit_is_the_last(text: str) -> None:
    """In all the ways people try."""
    assert not Conversation().shell.submit(text)


def test_names_are_known_for_completion() -> None:
    """With the binds given in the meantime."""
    said = Conversation()
    assert said.shell.known_names().binds == ()
    said(".bind min=1")
    assert said.shell.known_names().fields["users"] == ("address", "address.city", "age", "name")
    assert said.shell.known_names().binds == ("min",)
    assert said.shell.known_names().fields["broken"] == ()


def test_the_history_is_where_the_system_wants_it() -> None:
    """A relative XDG_STATE_HOME is ignored, as its specification says."""
    home = Path("/home/ann")
    assert history_path("sdbql", {"XDG_STATE_HOME": "/state"}, home) == Path("/state/sdbql/history")
    for environment in ({}, {"XDG_STATE_HOME": "state"}, {"XDG_STATE_HOME": ""}):
        assert history_path("sdbql", environment, home) == home / ".local/state/sdbql/history"


def test_the_history_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    """A file that was there with other rights gets these; what it holds stays."""
    path = tmp_path / "state" / "sdbql" / "history"
    assert prepare_history(path) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("\n# now\n+RETURN 1\n")
    path.chmod(0o644)
    prepare_history(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "\n# now\n+RETURN 1\n"


def test_a_long_history_loses_its_older_half_and_one_that_cannot_be_kept_is_done_without(tmp_path: Path) -> None:
    """Entries stay whole."""
    path = tmp_path / "history"
    path.write_text("".join(f"\n# t\n+RETURN {number:06}\n" for number in range(60_000)))
    prepare_history(path)
    kept = path.read_text()
    assert len(kept) <= HISTORY_BYTES_MAX // 2
    assert kept.startswith("# t\n+RETURN ")
    assert kept.endswith("+RETURN 059999\n")
    (tmp_path / "file").touch()
    assert prepare_history(tmp_path / "file" / "history") is None


def test_what_runs_interruptibly_returns_or_raises_as_if_it_ran_here() -> None:
    """From its own thread."""
    assert run_interruptibly(lambda _: threading.current_thread().name) == "query"
    with pytest.raises(sdbql.ParseError):
        run_interruptibly(lambda _: sdbql.run("RETURN"))


def test_an_interrupt_cancels_the_work_and_waits_for_its_end() -> None:
    """The work is over when the interrupt is raised."""
    ended: list[str] = []

    def work(cancellation: sdbql.Cancellation) -> None:
        stop = threading.Event()
        cancellation.on_cancel(stop.set)
        os.kill(os.getpid(), 2)
        assert stop.wait(20)
        ended.append("ended")

    with pytest.raises(KeyboardInterrupt):
        run_interruptibly(work)
    assert ended == ["ended"]

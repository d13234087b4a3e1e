"""`index create`, `list` and `drop`, and the bar that shows how far something is."""

import io

import pytest

from solidb_sync.cli.output import Output, ProgressBar, bar_text


@pytest.fixture
def users(cli):
    """A device with two users that has never heard of a server."""
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="laptop")
    cli.here("put", "users", "u1", '{"email": "a@x", "address": {"city": "Oslo"}}')
    cli.here("put", "users", "u2", '{"email": "b@x"}')
    return cli


def test_an_index_is_made_listed_and_dropped(users):
    assert users("index", "create", "users", "address.city").out == "users.address.city: ready\n"
    made = users.here("index", "create", "users", "email", "--unique", "--json")
    assert made.json == {"collection": "users", "field": "email", "unique": True}
    assert users.here("index", "list").out == "users.address.city\nusers.email  unique\n"
    assert users.here("index", "list", "orders").out == "there are no indexes\n"
    assert users.here("index", "drop", "users", "address.city").out == "dropped users.address.city\n"
    assert users.here("index", "list", "users", "--json").json == {"indexes": [made.json]}


def test_dropping_what_is_not_there_is_not_done(users):
    done = users.here("index", "drop", "users", "age", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.error == {"error": "users.age: there is no such index", "type": "NotFound", "code": 1}


def test_a_unique_index_refuses_a_save_at_the_command_line_too(users):
    users.here("index", "create", "users", "email", "--unique")
    done = users.here("put", "users", "u2", '{"email": "a@x"}', "--json")
    assert (done.code, done.error["type"]) == (1, "UniqueIndexError")
    assert '"a@x" is in users/u1 already' in done.error["error"]


def test_a_bad_field_is_wrong_usage(users):
    done = users.here("index", "create", "users", "_key")
    assert (done.code, done.out) == (2, "")
    assert "'_key' needs no index" in done.err


def test_a_bar_says_how_much_is_done():
    assert bar_text("indexing", 0, 0) == "indexing [####################] 100% 0 of 0"
    assert bar_text("indexing", 999, 1000) == "indexing [################### ]  99% 999 of 1000"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def drawn(monkeypatch, stream, *, as_json=False):
    """Return what a bar draws that is told of something at half a second, and twice after more than one."""
    times = iter([10.0, 10.5, 11.5, 12.0])
    monkeypatch.setattr("sys.stderr", stream)
    with ProgressBar("indexing", Output(as_json=as_json), monotonic=lambda: next(times)) as bar:
        for done in (1, 2, 3):
            bar.update(done, 4)
    return stream.getvalue()


def test_a_bar_is_drawn_on_a_terminal_after_a_second_and_is_gone_at_the_end(monkeypatch):
    first, second = bar_text("indexing", 2, 4), bar_text("indexing", 3, 4)
    assert drawn(monkeypatch, Terminal()) == f"\r{first}\r{second}\r{' ' * len(second)}\r"


def test_a_bar_is_drawn_nowhere_else(monkeypatch):
    assert drawn(monkeypatch, io.StringIO()) == ""
    monkeypatch.undo()
    assert drawn(monkeypatch, Terminal(), as_json=True) == ""

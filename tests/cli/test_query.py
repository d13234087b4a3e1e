"""`query`, its shell, and `explain`: SDBQL over this device's documents."""

import os
import subprocess
import sys
from contextlib import closing

import pytest

from solidb_sync import LocalStore
from terminal import SECONDS_MAX, Terminal, terminal_environment


@pytest.fixture
def users(cli):
    """A device with two users that has never heard of a server."""
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="laptop")
    cli.here("put", "users", "u1", '{"name": "Zoë", "age": 30}')
    cli.here("put", "users", "u2", '{"name": "李", "age": 12, "tags": ["x"]}')
    return cli


def test_a_query_prints_a_table_and_tells_how_many_rows_it_has(users):
    done = users("query", "FOR u IN users SORT u.age RETURN {name: u.name, age: u.age, tags: u.tags}")
    assert done.code == 0
    assert done.out == 'name  age  tags\n----  ---  -----\n李     12  ["x"]\nZoë    30  null\n'
    assert done.err == "(2 rows)\n"


def test_with_json_the_rows_are_one_line_of_json(users):
    done = users.here("query", "FOR u IN users FILTER u.age > @min AND u.name == @name RETURN u", "--json",
                      "--bind", "min=18", "--bind", "name=Zoë")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert done.json == [{"_key": "u1", "_id": "users/u1", "name": "Zoë", "age": 30}]


def test_no_rows_are_no_table(users):
    done = users.here("query", "FOR u IN users FILTER false RETURN u")
    assert (done.code, done.out, done.err) == (0, "", "(0 rows)\n")
    assert users.here("query", "FOR u IN users FILTER false RETURN u", "--json").json == []


@pytest.mark.parametrize(
    ("text", "code", "kind", "words"),
    [
        (
            "FOR u IN users FILTER RETURN u",
            2,
            "ParseError",
            "expected a condition after FILTER, found RETURN\n  line 1, column 23",
        ),
        ("FOR u IN nobody RETURN u", 1, "CollectionNotFoundError", "Collection not found: nobody"),
        ("FOR u IN users FILTER u.age > @min RETURN u", 1, "ExecutionError", "'@min' not found"),
    ],
)
def test_a_wrong_query_is_told_with_its_place(text, code, kind, words, users):
    done = users.here("query", text, "--json")
    assert (done.code, done.out) == (code, "")
    assert (done.error["type"], done.error["code"]) == (kind, code)
    assert words in done.error["error"]


def test_a_bind_without_a_value_is_wrong_usage(users):
    done = users.here("query", "RETURN @x", "--bind", "x")
    assert done.code == 2
    assert "expected NAME=VALUE" in done.err


def test_without_a_query_a_shell_reads_queries(users):
    done = users("query", "--bind", "min=18", text="FOR u IN users\n  FILTER u.age > @min\n  RETURN u.name\n.collections\n")
    assert done.code == 0
    assert done.out == "result\n------\nZoë\nusers\n"
    assert done.err == "(1 row)\n"


def test_a_shell_with_json_prints_a_line_a_row_and_its_status_tells_of_errors(users):
    done = users.here("query", "--json", text="FOR u IN users SORT u.age RETURN u.name\nRETURN 1 +* 2\nRETURN 3\n")
    assert (done.code, done.out) == (1, '"李"\n"Zoë"\n3\n')
    assert "expected an expression after +" in done.error["note"]


def test_a_reader_that_leaves_a_shell_early_causes_no_traceback(users):
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "solidb_sync.cli", "query"],
        cwd=users.directory,
        env=users.environment(),
        input=b"FOR u IN users RETURN u\nRETURN 1\n",
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=SECONDS_MAX,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_fields_are_those_of_the_documents(users):
    done = users.here("query", text=".fields users\n")
    assert done.out.split() == ["_id", "_key", "age", "name", "tags"]


def test_explain_prints_the_steps_and_the_index_they_use(users):
    users.here("index", "create", "users", "age")
    done = users.here("explain", "FOR u IN users FILTER u.age == @age RETURN u", "--bind", "age=30")
    assert (done.code, done.err) == (0, "")
    assert "INDEX ON users.age" in done.out
    shown = users.here("explain", "FOR u IN users FILTER u.age == @age RETURN u", "--bind", "age=30", "--json")
    assert shown.json["plan"] == done.out.splitlines()
    assert users.here("explain", "FOR u IN").code == 2


def test_a_store_that_another_process_has_open_is_read_all_the_same(users):
    with LocalStore.open(users.directory / "store.db", "laptop") as store:
        store.put_document("users", "u3", {"name": "Bo"}, {"server": 1})
        done = users("query", "FOR u IN users SORT u._key RETURN u._key", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json == ["u1", "u2", "u3"]


def test_there_must_be_a_store_and_it_must_be_this_devices(users):
    assert "there is no store" in users.here("query", "RETURN 1", "--store", "other.db").err
    assert not os.path.exists(users.directory / "other.db")
    with LocalStore.open(users.directory / "store.db", "laptop"):
        done = users("query", "RETURN 1", "--device-id", "phone")
    assert done.code == 1
    assert "belongs to the device 'laptop', not to 'phone'" in done.err


def test_on_a_terminal_ctrl_c_stops_a_long_query_and_names_are_completed_from_the_documents(users):
    store = str(users.directory / "store.db")
    command = [sys.executable, "-m", "solidb_sync.cli", "query", "--store", store, "--device-id", "laptop"]
    with closing(Terminal(command, terminal_environment(users.directory))) as terminal:
        terminal.expect("sdbql>")
        terminal.type("FOR a IN 1..3000 FOR b IN 1..3000 FOR c IN 1..3000 FILTER a + b + c < 0 RETURN 1\r")
        terminal.wait_until(terminal.takes_signals, "the end of the prompt")
        terminal.interrupt_until("cancelled")
        terminal.expect("sdbql>")
        terminal.type("FOR u IN users SORT u.age RETURN u.na\t")
        terminal.expect("u.na")
        terminal.expect("me")
        terminal.type("\r")
        terminal.expect("Zoë")
        terminal.expect("sdbql>")
        terminal.type(".quit\r")
        assert terminal.process.wait(SECONDS_MAX) == 0
    assert (users.directory / ".local/state/solidb-sync/history").stat().st_mode & 0o777 == 0o600

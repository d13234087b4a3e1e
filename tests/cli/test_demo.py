"""`demo` shows what it says, and cleans up."""

import re
import signal
import socket

from solidb_sync.cli.demo.command import ending
from solidb_sync.cli.demo.comparison import differences
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE


def test_the_demo_converges_and_leaves_nothing_behind(cli):
    done = cli("demo", "--json", TMPDIR=str(cli.directory))
    assert (done.code, done.err) == (0, "")
    summary = done.json
    assert summary["converged"] is True
    assert summary["documents"] == 6
    assert summary["differences"] == []
    assert (summary["pending_while_offline"], summary["pending_after_kill"]) == (2, 3)
    (conflict,) = summary["conflicts"]
    assert (conflict["fields"], conflict["winner"], conflict["remote"]["milk"]) == (["milk"], "local", 2)
    assert summary["seconds"] < 20
    assert list(cli.directory.iterdir()) == []


def test_the_demo_is_told_in_scenes_for_people_and_settings_do_not_disturb_it(cli):
    done = cli("demo", SOLIDB_URL="http://127.0.0.1:1", SOLIDB_PORT="1", SOLIDB_API_KEY="short")
    assert (done.code, done.err) == (0, "")
    for sentence in ("goes offline", "waits to be sent", "the laptop's value won", "deletes", "transaction", "killed"):
        assert sentence in done.out
    assert not answers(done.out)
    assert done.out.endswith("Both devices and the server hold the same 6 documents. Done.\n")


def test_a_demo_that_is_stopped_ends_its_processes_and_removes_its_files(cli):
    with cli.start("demo", TMPDIR=str(cli.directory)) as demo:
        told = demo.line(demo.out)
        assert demo.stop(signal.SIGTERM) == 1
        assert demo.line(demo.err) == "error: the demo was stopped before its end"
        assert list(cli.directory.iterdir()) == []
    assert not answers(told)


def answers(told: str) -> bool:
    """Return whether the server that the demo told of is still there."""
    port = re.match(r"A server at http://127\.0\.0\.1:(\d+), ", told).group(1)
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", int(port))) == 0


def test_one_different_document_is_found_and_the_demo_fails():
    here = {"notes": {"a": {"n": 1}, "b": {}}}
    there = {"notes": {"a": {"n": 1}}}
    assert differences({"phone": here, "laptop": here, "server": here}) == []
    found = differences({"phone": here, "laptop": here, "server": there})
    assert found == ["notes/b: phone has {}, laptop has {}, server has none"]
    assert ending({"converged": False, "differences": found, "documents": 1})[0] == EXIT_NOT_DONE
    assert ending({"converged": True, "differences": [], "documents": 1})[0] == EXIT_DONE

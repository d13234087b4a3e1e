"""Whole programs: how they end, what is left behind, and what a fork is told. Every warning is an error there."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from solidb_sync import HttpClient, SyncConfig
from solidb_sync.blocking import SyncManager

PROGRAM_SECONDS_MAX = 60
BEGINNING = """
import os, sys, threading
from solidb_sync import HttpClient, LocalStore, SyncConfig
from solidb_sync.blocking import SyncManager

store = LocalStore.open("store.db", "phone")
manager = SyncManager(store, HttpClient("127.0.0.1:9", 500, database="none"), SyncConfig(sync_interval_secs=0.05))
manager.start()
"""


def run(directory: Path, program: str, *, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with `before` ahead of all imports; one that hangs is an error."""
    text = textwrap.dedent(before) + BEGINNING + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PROGRAM_SECONDS_MAX,
        check=False,
    )


def keys_left(directory: Path) -> list[str]:
    """Return what a later program finds in the store."""
    config = SyncConfig(auto_sync=False, local_storage_path=str(directory / "store.db"))
    with SyncManager.open(config, HttpClient("127.0.0.1:9", 500, database="none")) as later:
        assert len(later.pending_changes()) == len(later.query_documents("n"))
        return [key for key, _ in later.query_documents("n")]


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "manager.stop()", "with manager: pass"])
def test_a_script_ends_with_or_without_stop_and_loses_nothing(tmp_path: Path, end: str) -> None:
    saves = "for number in range(50):\n    manager.save_document('n', f'{number:02}', {'n': number})\n"
    ended = run(tmp_path, saves + end)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert keys_left(tmp_path) == [f"{number:02}" for number in range(50)]


def test_a_script_that_fails_says_so_and_loses_nothing(tmp_path: Path) -> None:
    ended = run(tmp_path, "manager.save_document('n', 'one', {})\nraise ValueError('a mistake of the script')")
    assert ended.returncode == 1
    assert "a mistake of the script" in ended.stderr.splitlines()[-1]
    assert keys_left(tmp_path) == ["one"]


def test_a_thread_that_outlives_the_main_thread_goes_on_saving_and_querying(tmp_path: Path) -> None:
    """The usual executor refuses every query from the moment the main thread ends."""
    program = """
        def work():
            threading.main_thread().join()
            for number in range(5):
                manager.save_document("n", f"{number}", {"n": number})
            print(manager.query("FOR d IN n SORT d.n RETURN d.n"), len(manager.query_documents("n")))

        threading.Thread(target=work).start()
    """
    ended = run(tmp_path, program)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[0, 1, 2, 3, 4] 5\n", "")


def test_a_thread_that_waits_for_events_does_not_keep_the_program(tmp_path: Path) -> None:
    program = """
        changes = manager.changes()
        threading.Thread(target=lambda: [print(event.key) for event in changes], daemon=True).start()
        manager.save_document("n", "one", {})
    """
    ended = run(tmp_path, program)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert keys_left(tmp_path) == ["one"]


def test_a_call_after_the_very_last_moment_is_told_and_breaks_nothing(tmp_path: Path) -> None:
    """A daemon thread may come between the end of the manager's thread and the end of the program."""
    before = """
        import atexit

        @atexit.register
        def too_late():  # after all other functions of this kind, since it is the first
            try:
                manager.save_document("n", "two", {})
            except Exception as problem:
                print(type(problem).__name__, problem)
            print(list(events))
    """
    ended = run(tmp_path, "events = manager.changes()\nmanager.save_document('n', 'one', {})", before=before)
    told = "SyncStoppedError save_document: the manager was stopped before this was done\n[]\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, told, "")
    assert keys_left(tmp_path) == ["one"]


def test_a_fork_is_told_to_make_a_manager_of_its_own_and_the_parent_goes_on(tmp_path: Path) -> None:
    program = """
        from solidb_sync import SyncError
        manager.save_document("n", "one", {})
        child = os.fork()
        if child == 0:
            try:
                manager.save_document("n", "two", {})
            except SyncError as problem:
                print(problem, flush=True)
            manager.stop()
            sys.exit(7)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
        manager.save_document("n", "three", {})
        manager.stop()
    """
    ended = run(tmp_path, program)
    told, code = ended.stdout.splitlines()
    assert "is a fork without its thread; open a store and make a manager in each process, after the fork" in told
    assert (code, ended.returncode, ended.stderr) == ("7", 0, "")
    assert keys_left(tmp_path) == ["one", "three"]


def test_a_callback_that_never_returns_keeps_no_program_from_ending(tmp_path: Path) -> None:
    program = """
        from solidb_sync.blocking import loop_thread
        loop_thread.END_SECONDS_MAX = 0.2
        manager.on_change(lambda event: threading.Event().wait())
        try:
            manager.within(0.2).save_document("n", "one", {})
        except TimeoutError as problem:
            print(problem)
    """
    ended = run(tmp_path, program)
    assert (ended.returncode, ended.stdout) == (0, "save_document: not done within 0.2 s\n")
    assert "could not be stopped in order at the end of the program" in ended.stderr
    assert keys_left(tmp_path) == ["one"]

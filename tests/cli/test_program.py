"""What holds for every command: help, exit status, errors."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import solidb_sync.cli
from solidb_sync.cli.main import main
from solidb_sync.cli.program import program


def commands(group: click.Group = program, path: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in sorted(group.commands.items()):
        found += commands(command, f"{path}{name} ") if isinstance(command, click.Group) else [(f"{path}{name}", command)]
    return found


NAMES = [name for name, _ in commands()]


def test_the_commands_are_those_the_contract_names():
    assert {name.split()[0] for name in NAMES} == {
        *("serve", "demo", "init", "sync", "status", "get", "put", "delete", "pending", "token"),
        *("query", "explain", "index", "conflicts", "doctor", "verify", "backup"),
        *("convert", "attach", "attachments", "salvage"),  # beyond it
    }
    assert {name for name in NAMES if name.startswith("index")} == {"index create", "index list", "index drop"}
    assert {name for name in NAMES if name.startswith("token")} == {"token create", "token list", "token revoke"}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_an_example_of_itself(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"Example:\n +solidb-sync {name}", shown)
    assert "--json" in shown


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_wrong_usage_and_named(name, capsys):
    assert main([*name.split(), "--no-such-thing"]) == 2
    shown = capsys.readouterr()
    assert "--no-such-thing" in shown.err
    assert shown.out == ""


def test_an_unknown_command_is_wrong_usage_without_a_traceback(cli):
    done = cli("fetch")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: No such command 'fetch'. (see: solidb-sync --help)\n"


def test_wrong_usage_with_json_is_told_as_json(cli):
    done = cli.here("get", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.error["code"] == 2
    assert "COLLECTION" in done.error["error"]


def test_no_command_at_all_is_wrong_usage_and_shows_the_commands(cli):
    done = cli.here()
    assert done.code == 2
    assert all(name.split()[0] in done.err for name in NAMES)


def test_only_the_output_module_prints():
    directory = Path(solidb_sync.cli.__file__).parent
    printing = re.compile(r"\bprint\(|\bsys\.std(out|err)\b|\becho\(")
    found = {path.name for path in directory.rglob("*.py") if printing.search(path.read_text("utf-8"))}
    assert found == {"output.py"}


def test_a_reader_that_leaves_early_causes_no_traceback(cli):
    for number in range(3):
        cli.here("put", "notes", f"n{number}", "{}", SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="laptop")
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "solidb_sync.cli", "get", "notes"],
        cwd=cli.directory,
        env=cli.environment(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="laptop"),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


def run_without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a Python that cannot import a package."""
    code = (
        f"import sys; sys.modules[{package!r}] = None; from solidb_sync.cli.main import main; sys.exit(main({arguments!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_without_click_the_command_line_says_what_to_install():
    ended = run_without("click", "put")
    assert ended.returncode == 1
    assert ended.stderr == "error: the command line needs click; install it with: pip install 'solidb-sync[cli]'\n"


def test_without_the_server_extra_serve_says_what_to_install(tmp_path):
    ended = run_without("uvicorn", "serve", "--data", str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr == "error: uvicorn is missing; install the server with: pip install 'solidb-sync[server]'\n"

"""The documents are true: their blocks run, and they leave nothing out.

A `sh` fence is run by bash, a `sh server` fence goes on until the end of the document, a `python NAME` fence is written to
that file. `SOLIDB_PORT=0` and `SOLIDB_URL` put the server on a free port, as docs/CLI.md says.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from solidb_sync.cli.program import program
from solidb_sync.protocol import limits
from solidb_sync.protocol.attachments import PIECE_BYTES_MAX
from solidb_sync.server.http import (
    attachment_routes,
    auth_routes,
    conflict_routes,
    document_routes,
    health_routes,
    maintenance_routes,
    sync_routes,
)
from solidb_sync.server.live.doorbell import LISTENERS_MAX
from solidb_sync.server.open_files import OPEN_FILES_WANTED
from solidb_sync.server.storage.sqlite.server_backend import DATABASES_MAX

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(sh|sh server|python [\w.]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str) -> list[tuple[str, str]]:
    return FENCE.findall((ROOT / document).read_text("utf-8"))


def python_of(document: str) -> str:
    return next(text for kind, text in blocks(document) if kind.startswith("python"))


def with_our_commands(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment in which `python` and `solidb-sync` are those of this Python."""
    return {**environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run_python(cli, text: str, **settings: str) -> str:
    script = cli.directory / "quickstart.py"
    script.write_text(text)
    ended = subprocess.run(
        [sys.executable, str(script)],
        env=cli.environment(SOLIDB_HOME=str(cli.directory), **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.parametrize("document", ["README.md", "docs/QUICKSTART.md"])
def test_the_blocks_of_a_document_run_one_after_the_other(document, cli):
    environment = with_our_commands(cli.environment(SOLIDB_HOME=str(cli.directory / "home"), SOLIDB_PORT="0"))
    serving = None
    try:
        for kind, text in blocks(document):
            if kind == "sh server":
                serving = cli.start_command(["bash", "-ec", f"exec {text}"], environment)
                environment["SOLIDB_URL"] = serving.line(serving.out).removeprefix("listening on ")
            elif kind == "sh":
                subprocess.run(["bash", "-euc", text], cwd=cli.directory, env=environment, timeout=60, check=True)
            else:
                (cli.directory / kind.split()[1]).write_text(text)
        assert serving is not None
        assert serving.stop(signal.SIGTERM) == 0
    finally:
        if serving is not None:
            serving.__exit__()


def test_the_quick_start_on_two_devices_shows_each_the_edits_of_the_other(server, cli, tmp_path):
    create = ("token", "create", "--data", str(server.data), "--database", "mydb", "--name", "both", "--json")
    key = cli.here(*create).json["key"]
    shared = {"SOLIDB_URL": server.url, "SOLIDB_API_KEY": key, "SOLIDB_DATABASE": "mydb"}
    devices = []
    for name in ("device-123", "device-456"):
        directory = tmp_path / name
        directory.mkdir()
        store = str(directory / "myapp" / "store.db")
        devices.append(type(cli)(directory, {**shared, "SOLIDB_DEVICE_ID": name, "SOLIDB_STORE": store}))
    text = python_of("docs/QUICKSTART.md")
    for one in devices:
        assert re.search(r"^Synced: \d+ pushed, \d+ pulled$", run_python(one, text), re.MULTILINE)
    for one in devices:
        assert one.here("put", "users", "user-1", json.dumps({one.settings["SOLIDB_DEVICE_ID"]: "was here"})).code == 0
    for one in devices:
        run_python(one, text)
    assert devices[0].here("sync").code == 0
    seen = [one.here("get", "users", "user-1", "--json").json for one in devices]
    assert seen[0] == seen[1]
    assert {"device-123", "device-456", "name", "status"} <= seen[0].keys()
    assert seen[0]["name"] == "Alice"


def test_the_quick_start_works_without_a_server_and_keeps_the_document(cli):
    settings = {"SOLIDB_URL": "http://127.0.0.1:1", "SOLIDB_API_KEY": "sk_of_no_server"}
    assert run_python(cli, python_of("docs/QUICKSTART.md"), **settings).endswith("Synced: 0 pushed, 0 pulled\n")
    store = {"SOLIDB_STORE": "myapp/store.db", "SOLIDB_DEVICE_ID": "device-123"}
    assert cli.here("get", "users", "user-1", "--json", **store).json["name"] == "Alice"


def test_the_example_with_two_devices_runs(server, cli):
    create = ("token", "create", "--data", str(server.data), "--database", "example", "--name", "both", "--json")
    settings = {"SOLIDB_URL": server.url, "SOLIDB_API_KEY": cli.here(*create).json["key"]}
    shown = run_python(cli, (ROOT / "examples" / "two_devices.py").read_text("utf-8"), **settings).splitlines()
    assert shown[0] == shown[1]
    assert "'days': 4" in shown[0]
    assert "'hotel': 'by the river'" in shown[0]


def test_every_command_has_a_section_in_the_command_line_document():
    sections = set(re.findall(r"^## `solidb-sync ([a-z ]+)`$", (ROOT / "docs/CLI.md").read_text("utf-8"), re.MULTILINE))
    names = set()
    for name, command in program.commands.items():
        names |= {f"{name} {part}" for part in getattr(command, "commands", ())} or {name}
    assert sections == names


def test_every_endpoint_is_in_the_server_document_and_no_other():
    text = (ROOT / "docs/SERVER.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith(("| `GET", "| `POST", "| `PUT", "| `DELETE"))]
    documented = {path for row in rows for path in re.findall(r"(/[\w/{}-]+)", row.split("|")[1])}
    modules = (
        attachment_routes,
        auth_routes,
        conflict_routes,
        document_routes,
        health_routes,
        maintenance_routes,
        sync_routes,
    )
    assert documented == {route.path for module in modules for route in module.ROUTES}


def test_the_limits_in_the_server_document_are_those_of_the_code():
    rows = re.findall(r"^\| `([A-Z_]+)`: .* \| (\d+) \|$", (ROOT / "docs/SERVER.md").read_text("utf-8"), re.MULTILINE)
    known = {name: getattr(limits, name) for name in limits.__all__}
    known |= {"PIECE_BYTES_MAX": PIECE_BYTES_MAX, "DATABASES_MAX": DATABASES_MAX, "LISTENERS_MAX": LISTENERS_MAX}
    known |= {"OPEN_FILES_WANTED": OPEN_FILES_WANTED}
    assert rows
    assert {name: int(value) for name, value in rows} == {name: known[name] for name, _ in rows}

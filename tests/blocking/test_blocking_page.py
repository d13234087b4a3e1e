"""docs/blocking.md: every example runs: as a script, under Django, in a notebook's kernel, and beside a window's loop."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server_process import ADMIN_KEY, ServerProcess
from solidb_sync import SyncCommand
from solidb_sync.blocking import SyncManager

PROGRAM_SECONDS_MAX = 120
PAGE = (Path(__file__).parents[2] / "docs/blocking.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python ?([\w./]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
VISITORS = """
from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings
from django.test import Client

settings.configure(ROOT_URLCONF="shop.views", SECRET_KEY="not a secret", ALLOWED_HOSTS=["testserver"])
django.setup()
with ThreadPoolExecutor(8) as visitors:
    said = list(visitors.map(lambda n: Client().post("/orders", {"number": f"{n:02}", "total": n}).status_code, range(40)))
print(set(said), [order["number"] for order in Client().get("/orders?least=37").json()["orders"]])

from shop.sync import manager

print(manager().sync_now().success, len(manager().pending_changes()))
"""
NOTEBOOK = """
import json, sys
import nbformat
from nbclient import NotebookClient

cells = [nbformat.v4.new_code_cell(text) for text in json.load(sys.stdin)]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
print(json.dumps([[output["data"]["text/plain"] for output in cell.outputs] for cell in notebook.cells]))
"""


def block(kind: str) -> str:
    """Return the one example of a kind."""
    (text,) = (text for found, text in BLOCKS if found == kind)
    return text


def run(directory: Path, server: ServerProcess, program: str, *, given: str = "") -> str:
    """Run a program to its end and return what it printed."""
    surroundings = {
        "SOLIDB_URL": server.address,
        "SOLIDB_API_KEY": ADMIN_KEY,
        "SOLIDB_HOME": str(directory / "home"),
        "SHOP_STORE": str(directory / "shop.db"),
        "JUPYTER_CONFIG_DIR": str(directory / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
        "IPYTHONDIR": str(directory / "ipython"),
    }
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env={**os.environ, **surroundings},
        input=given,
        capture_output=True,
        text=True,
        timeout=PROGRAM_SECONDS_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_example_is_run_by_a_test_below() -> None:
    assert [kind for kind, _ in BLOCKS] == [
        "script.py", "events", "shop/sync.py", "shop/views.py", "cell", "cell", "cell", "tk", "qt",
    ]  # fmt: skip


def test_the_script_runs_with_a_server_and_without(server: ServerProcess, tmp_path: Path) -> None:
    assert run(tmp_path, server, block("script.py")) == "['Alice']\nsynced\n"
    offline = block("script.py").replace('os.environ.get("SOLIDB_URL", "localhost:6745")', '"localhost:9"')
    assert run(tmp_path, server, offline) == "['Alice']\noffline: it is kept, and sent later\n"


def test_the_iterator_of_the_page_ends(manager: SyncManager, capsys: pytest.CaptureFixture[str]) -> None:
    exec(block("events"), {"manager": manager})
    assert capsys.readouterr().out == "insert user-3\n"


def test_views_of_django_save_and_query_from_many_threads(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for name in ("shop/sync.py", "shop/views.py"):
        (tmp_path / name).write_text(block(name), "utf-8")
    assert run(tmp_path, server, VISITORS) == "{201} ['37', '38', '39']\nTrue 0\n"


def test_the_cells_run_in_the_kernel_of_a_notebook(server: ServerProcess, tmp_path: Path) -> None:
    cells = [text for kind, text in BLOCKS if kind == "cell"]
    shown = json.loads(run(tmp_path, server, NOTEBOOK, given=json.dumps(cells)))
    assert shown == [[], ["5"], ["['run-4', 'run-3']"]]


class Window:
    """What a Tk window does for the example: it calls back later, on its own thread."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def after(self, _milliseconds: int, function: Callable[[], None]) -> None:
        self.later.append(function)

    def pass_time(self) -> None:
        """Do what was put off until now."""
        due, self.later = self.later, []
        for function in due:
            function()


def test_a_window_of_tk_shows_news_from_its_own_loop(device: Callable[..., SyncManager]) -> None:
    """The window stands in for Tk's, which needs a screen; the manager and its threads are real."""
    phone, window, label = device("phone"), Window(), dict[str, str]()
    entry = types.SimpleNamespace(get=lambda: "typed")
    names: dict[str, Any] = {"manager": phone, "commands": phone.start(), "SyncCommand": SyncCommand}
    names |= {"window": window, "label": label, "entry": entry}
    exec(block("tk"), names)
    with phone.events() as events:
        names["save_and_sync"]()
        kinds = [next(events).kind.value for _ in range(2)]
    window.pass_time()
    assert (kinds, label) == (["sync_started", "sync_finished"], {"text": "one was changed (local)"})
    assert window.later == [names["show_news"]]


def test_a_signal_of_qt_carries_news_to_the_window(manager: SyncManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal stands in for Qt's, which is too large to install for a test; it delivers when the window's loop runs."""

    class Signal:
        def __init__(self, _kind: type) -> None:
            self.receivers: list[Callable[[Any], None]] = []
            self.sent: list[Any] = []
            self.connect, self.emit = self.receivers.append, self.sent.append

    core = types.ModuleType("PySide6.QtCore")
    core.__dict__.update(QObject=object, Signal=Signal)
    monkeypatch.setitem(sys.modules, "PySide6", types.ModuleType("PySide6"))
    monkeypatch.setitem(sys.modules, "PySide6.QtCore", core)
    shown: list[Any] = []
    names: dict[str, Any] = {"manager": manager, "show_event": shown.append}
    exec(block("qt"), names)
    manager.save_document("notes", "one", {"text": "1"})
    signal = names["news"].changed
    for event in signal.sent:
        signal.receivers[0](event)
    assert [event.key for event in shown] == ["one"]

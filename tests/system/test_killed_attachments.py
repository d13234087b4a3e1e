"""kill -9 in the middle of a put, an upload and a download; and a large file through processes whose memory is watched."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_process import ADMIN_KEY, ServerProcess
from solidb_sync import LocalStore
from solidb_sync.model.attachment import CHUNK_BYTES, attachments_in

MEBIBYTE = 1024 * 1024
MEMORY_KIB_MAX = 128 * 1024
"""What moving a file may take, whatever its size: some pieces, and the pages that the connections to the store keep."""
SERVER_MEMORY_KIB_MAX = 16 * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path / "server")
    yield running
    running.stop()


def run(server: ServerProcess, task: str, store: Path, file: Path, *, killed_after: int | None = None) -> list[str]:
    """Run a process, kill it after so many pieces, and return the lines it printed after it was ready."""
    script = Path(__file__).with_name("attaching_process.py")
    command = [sys.executable, str(script), task, str(store), server.address, ADMIN_KEY, str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        if killed_after is not None and len(lines) == killed_after + 1:
            process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait(30)
    assert lines[0] == "ready"
    return lines[1:]


def written(path: Path, size: int) -> bytes:
    """Write a file without two pieces alike; return its digest."""
    whole = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(size // CHUNK_BYTES):
            piece = hashlib.sha256(str(number).encode()).digest() * (CHUNK_BYTES // 32)
            whole.update(piece)
            file.write(piece)
    return whole.digest()


def test_a_file_arrives_whole_though_every_process_on_its_way_is_killed(server: ServerProcess, tmp_path: Path) -> None:
    file, copy = tmp_path / "file.bin", tmp_path / "copy.bin"
    phone, laptop = tmp_path / "phone.db", tmp_path / "laptop.db"
    digest = written(file, 10 * MEBIBYTE)

    run(server, "put", phone, file, killed_after=20)
    with LocalStore.open(phone, "phone") as store:
        assert store.verify().is_sound
        found = store.get_document("notes", "n1")
        assert found is not None
        assert attachments_in(found[0]) == {}, "nothing is to be seen of a put that was killed"
        assert [blob.name[:4] for blob in store.view(lambda reader: reader.blobs())] == ["put-"]
    assert run(server, "put", phone, file)[-1].startswith("done")
    with LocalStore.open(phone, "phone") as store:
        assert [blob.name for blob in store.view(lambda reader: reader.blobs())] == [digest.hex()]

    first = run(server, "send", phone, file, killed_after=10)
    server.kill()
    server.start()
    second = run(server, "send", phone, file)
    offsets = [int(line.split()[1]) for line in (*first, *second[:-1])]
    assert sorted(set(offsets)) == [number * CHUNK_BYTES for number in range(40)]
    assert len(second) - 1 <= 40 - 10, "what the server had was not sent again"

    first = run(server, "fetch", laptop, copy, killed_after=10)
    assert not copy.exists()
    second = run(server, "fetch", laptop, copy)
    assert len(second) - 1 <= 40 - 9, "what was on the disk was not fetched again"
    assert hashlib.sha256(copy.read_bytes()).digest() == digest
    with LocalStore.open(laptop, "laptop") as store:
        assert store.verify().is_sound


def test_a_file_of_200_megabytes_goes_through_in_memory_that_does_not_grow_with_it(
    server: ServerProcess, tmp_path: Path
) -> None:
    file, copy = tmp_path / "file.bin", tmp_path / "copy.bin"
    digest = written(file, 200 * MEBIBYTE)
    assert server.process is not None
    before = peak_kib(server.process.pid)
    for task, store, place in (("put", "phone.db", file), ("send", "phone.db", file), ("fetch", "laptop.db", copy)):
        done = run(server, task, tmp_path / store, place)[-1]
        assert int(done.removeprefix("done ")) < MEMORY_KIB_MAX, f"{task}: {done} KiB"
    assert peak_kib(server.process.pid) - before < SERVER_MEMORY_KIB_MAX
    assert hashlib.sha256(copy.read_bytes()).digest() == digest


def peak_kib(pid: int) -> int:
    """Return the most memory a process has had in use."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

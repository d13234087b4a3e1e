"""A real server application over real files, called without a network, that answers the same to the same requests.

The clock stands at 2024-01-15T10:30:00Z and the random bytes are always the same, so that whole answers can be written down.

`python tests/wire_replay.py` writes the present answers into the vectors, for when the protocol has grown: read the
difference before you keep it.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import httpx2

from solidb_sync.server.application import build_app, shut_down
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.storage.sqlite.server_backend import open_sqlite_backend

ADMIN_KEY = "administrator-" + "k" * 32
VECTORS = Path(__file__).parent / "wire"

Vector = dict[str, Any]


class StoppedClock:
    """A clock that stands still."""

    def now_ms(self) -> int:
        return 1_705_314_600_000

    def monotonic(self) -> float:
        return 1_705_314_600.0


def same_bytes(count: int) -> bytes:
    """Return random bytes that are not random."""
    return (1).to_bytes(count, "big")


async def replay(requests: list[Vector], directory: Path) -> list[tuple[int, Any]]:
    """Send requests to a new server, one after the other, and return status and body of each answer."""
    clock = StoppedClock()
    backend = open_sqlite_backend(directory, clock=clock, random_bytes=same_bytes)
    app = build_app(ServerConfig(directory, admin_key=ADMIN_KEY), backend, clock, random_bytes=same_bytes)
    answers = []
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://server") as client:
        for request in requests:
            headers = request.get("headers", {"X-API-Key": ADMIN_KEY})
            body = request.get("body")
            content = None if body is None else json.dumps(body, ensure_ascii=False)
            method, path = request["method"], request["path"]
            answer = await client.request(method, path, params=request.get("query"), content=content, headers=headers)
            answers.append((answer.status_code, answer.json()))
    await shut_down(app)
    backend.close()
    return answers


def shown(answer: Any) -> Any:
    """Return an answer without the fields at its top that say nothing: false, null, 0, empty, and the run of the server."""
    return {name: value for name, value in answer.items() if name != "run" and value not in (None, False, 0, "", [], {})}


def record() -> None:
    """Write the present answers into all vectors."""
    for path in sorted(VECTORS.glob("*.json")):
        vector: Vector = json.loads(path.read_text("utf-8"))
        with tempfile.TemporaryDirectory() as directory:
            *_, (status, body) = asyncio.run(replay([*vector["start"], vector["request"]], Path(directory)))
        vector["answer"] = {"status": status, "body": shown(body)}
        path.write_text(json.dumps(vector, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    record()

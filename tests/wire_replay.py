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


HEADERS_SHOWN = ("content-length", "content-range", "etag", "x-attachment-offset")
"""Of an answer that is plain bytes: those that say something."""


async def replay(requests: list[Vector], directory: Path) -> list[Vector]:
    """Send requests to a new server, one after the other, and return each answer as vectors show it."""
    clock = StoppedClock()
    backend = open_sqlite_backend(directory, clock=clock, random_bytes=same_bytes)
    app = build_app(ServerConfig(directory, admin_key=ADMIN_KEY), backend, clock, random_bytes=same_bytes)
    answers = []
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://server") as client:
        for request in requests:
            headers = request.get("headers", {"X-API-Key": ADMIN_KEY})
            body = request.get("body")
            content = request.get("text") if body is None else json.dumps(body, ensure_ascii=False)
            method, path = request["method"], request["path"]
            answer = await client.request(method, path, params=request.get("query"), content=content, headers=headers)
            answers.append(_answer(method, answer))
    await shut_down(app)
    backend.close()
    return answers


def _answer(method: str, answer: httpx2.Response) -> Vector:
    """Return status and JSON of an answer, or of one that is no JSON its headers and text."""
    if method != "HEAD" and answer.headers["content-type"].startswith("application/json"):
        return {"status": answer.status_code, "body": shown(answer.json())}
    headers = {name: answer.headers[name] for name in HEADERS_SHOWN if name in answer.headers}
    return {"status": answer.status_code, "headers": headers, "text": answer.text}


def shown(answer: Any) -> Any:
    """Return an answer without the fields at its top that say nothing: false, null, 0, empty, and the run of the server."""
    return {name: value for name, value in answer.items() if name != "run" and value not in (None, False, 0, "", [], {})}


def record() -> None:
    """Write the present answers into all vectors."""
    for path in sorted(VECTORS.glob("*.json")):
        vector: Vector = json.loads(path.read_text("utf-8"))
        with tempfile.TemporaryDirectory() as directory:
            vector["answer"] = asyncio.run(replay([*vector["start"], vector["request"]], Path(directory)))[-1]
        path.write_text(json.dumps(vector, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    record()

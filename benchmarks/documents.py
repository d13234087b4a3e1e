"""The documents that are moved: about 350 bytes of JSON each, the same for the same number."""

from __future__ import annotations

import json
import random
from typing import Any


def documents(count: int, seed: int = 20240115) -> list[tuple[str, dict[str, Any]]]:
    """Return `count` pairs of key and document."""
    rng = random.Random(seed)
    return [(f"user-{number:07d}", _document(rng, number)) for number in range(count)]


def _document(rng: random.Random, number: int) -> dict[str, Any]:
    return {
        "name": f"Person {number}",
        "email": f"person.{number}@example.com",
        "age": rng.randrange(16, 90),
        "status": rng.choice(["active", "inactive", "premium", "pending"]),
        "city": rng.choice(["Paris", "Zürich", "東京", "Porto"]),
        "created_at": f"2024-0{rng.randrange(1, 10)}-15T10:30:00Z",
        "score": round(rng.uniform(0, 100), 2),
        "tags": rng.sample(["alpha", "beta", "gamma", "delta"], 2),
        "address": {"street": f"{rng.randrange(1, 999)} Main Street", "zip": f"{rng.randrange(100000):05d}"},
        "note": "".join(rng.choice("abcdefghijklmnopqrstuvwxyz ") for _ in range(90)),
    }


def json_rows(pairs: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, str]]:
    """Return the rows that plain SQLite inserts."""
    return [(key, json.dumps(document, ensure_ascii=False, separators=(",", ":"))) for key, document in pairs]

"""The documents that are queried: users of about 300 bytes and orders of about 200, the same for the same numbers."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

FIRST = ["Ada", "Bilal", "Chiara", "Dong", "Esi", "Farid", "Greta", "Hugo", "Ilse", "João", "Kaya", "Lou"]
LAST = ["Almeida", "Brandt", "Castro", "Dubois", "Eriksen", "Fontaine", "Greco", "Hoang", "Ivanova", "Jovanović"]
CITIES = ["Paris", "Zürich", "東京", "Porto", "Oslo", "Lyon", "Athens", "Gdańsk", "Dublin", "Vienna"]
STATUSES = ["active"] * 6 + ["inactive"] * 2 + ["premium", "pending"]
TAGS = ["red", "green", "blue", "small", "large", "new", "used"]
BEGIN = datetime(2021, 1, 1, tzinfo=UTC)
YEARS_SECONDS = 4 * 365 * 86_400

Pairs = list[tuple[str, dict[str, Any]]]


def users(count: int, seed: int = 7) -> Pairs:
    """Return users by key."""
    rng = random.Random(seed)
    return [(f"user-{number:07d}", _user(rng, number)) for number in range(count)]


def orders(count: int, users_count: int, seed: int = 8) -> Pairs:
    """Return orders by key, each of one of the users."""
    rng = random.Random(seed)
    return [(f"order-{number:07d}", _order(rng, users_count)) for number in range(count)]


def email(number: int) -> str:
    """Return the address of a user."""
    return f"{FIRST[number % len(FIRST)].lower()}.{number}@example.com"


def _user(rng: random.Random, number: int) -> dict[str, Any]:
    return {
        "name": f"{FIRST[number % len(FIRST)]} {rng.choice(LAST)}",
        "email": email(number),
        "age": rng.randrange(16, 90),
        "status": rng.choice(STATUSES),
        "city": rng.choice(CITIES),
        "created_at": _moment(rng),
        "tags": rng.sample(TAGS, rng.randrange(4)),
        "address": {
            "street": f"{rng.randrange(1, 999)} Long Road",
            "zip": f"{rng.randrange(100_000):05d}",
            "city": rng.choice(CITIES),
        },
    }


def _order(rng: random.Random, users_count: int) -> dict[str, Any]:
    user = rng.randrange(users_count)
    lines = [
        {"sku": f"sku-{rng.randrange(500):03d}", "quantity": rng.randrange(1, 5), "price": round(rng.uniform(1, 99), 2)}
        for _ in range(rng.randrange(1, 4))
    ]
    return {
        "user_id": f"user-{user:07d}",
        "email": email(user),
        "status": rng.choice(["open", "paid", "shipped", "returned"]),
        "total": round(sum([line["quantity"] * line["price"] for line in lines]), 2),
        "created_at": _moment(rng),
        "items": lines,
    }


def _moment(rng: random.Random) -> str:
    return (BEGIN + timedelta(seconds=rng.randrange(YEARS_SECONDS))).strftime("%Y-%m-%dT%H:%M:%SZ")

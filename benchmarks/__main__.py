"""Run every measurement and print the figures: `python -m benchmarks [NAME …]`."""

from __future__ import annotations

import sys

from benchmarks import (
    bulk,
    conflicts,
    crowd,
    doorbell,
    durability,
    encryption,
    engines,
    filtered_push,
    first_sync,
    flaky,
    interpreter,
    latency,
    local,
    one_percent,
    queries,
    wire,
)

MEASUREMENTS = {
    "local": local.measure,
    "latency": latency.measure,
    "durability": durability.measure,
    "engines": engines.measure,
    "bulk": bulk.measure,
    "doorbell": doorbell.measure,
    "crowd": crowd.measure,
    "conflicts": conflicts.measure,
    "wire": wire.measure,
    "one_percent": one_percent.measure,
    "queries": queries.measure,
    "interpreter": interpreter.measure,
    "first_sync": first_sync.measure,
    "flaky": flaky.measure,
    "encryption": encryption.measure,
    "filtered_push": filtered_push.measure,
}


def main() -> int:
    """Print the figures; returns 1 when one misses its bound."""
    names = sys.argv[1:] or list(MEASUREMENTS)
    reached = True
    for name in names:
        for figure in MEASUREMENTS[name]():
            print(figure.line(), flush=True)
            reached = reached and figure.is_reached
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())

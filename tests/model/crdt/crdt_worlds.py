"""Small worlds for the laws of the types: replicas that edit, hear of each other now and then, and remember everything.

A world is made from a seed. It has every state that any replica ever had and every delta, which are the cases that the laws
are tried on; and a plain account of what was done, which the final value is compared with.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from solidb_sync.model.crdt.authorship import Authorship
from solidb_sync.model.crdt.counter import CounterOperation
from solidb_sync.model.crdt.elements import element_text
from solidb_sync.model.crdt.grow_set import GrowSetOperation
from solidb_sync.model.crdt.observed_remove_map import ObservedRemoveMapOperation
from solidb_sync.model.crdt.observed_remove_set import ObservedRemoveSetOperation
from solidb_sync.model.crdt.register import RegisterOperation
from solidb_sync.model.crdt.registry import STATES, Operation, State, applied, joined
from solidb_sync.model.hybrid_clock import stamp_text
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector

CASES_PER_WORLD = 50
WORLDS = 400
"""50 cases in each of 400 worlds: 20,000 cases of every law."""

REPLICAS = ("a", "b", "c")
ELEMENTS: tuple[Any, ...] = (1, 1.0, True, None, "x", {"p": 1, "q": [2]}, {"q": [2], "p": 1}, [])
NAMES = ("one", "two", "three")
STAMPS = (stamp_text(1), stamp_text(2), stamp_text(3))


@dataclass(frozen=True, slots=True)
class Done:
    """One edit: what it was, and who made it with what in sight."""

    operation: Operation
    author: Authorship
    before: State
    delta: State
    after: State


@dataclass(slots=True)
class World:
    """What became of some replicas; `seen` has for each the vector of what it knows."""

    states: dict[str, State]
    seen: dict[str, VersionVector] = field(default_factory=lambda: dict.fromkeys(REPLICAS, EMPTY_VECTOR))
    done: list[Done] = field(default_factory=list)
    known: list[State] = field(default_factory=list)

    def merged(self) -> State:
        """Return what all replicas know together."""
        first, *others = self.states.values()
        for state in others:
            first = joined(first, state)
        return first


def some(chance: random.Random, values: tuple[Any, ...]) -> frozenset[str]:
    return frozenset(map(element_text, chance.sample(values, chance.randrange(3))))


OPERATIONS: dict[str, Callable[[random.Random], Operation]] = {
    "counter": lambda chance: CounterOperation(chance.randint(-5, 5)),
    "register": lambda chance: RegisterOperation(chance.choice(ELEMENTS)),
    "gset": lambda chance: GrowSetOperation(some(chance, ELEMENTS)),
    "orset": lambda chance: ObservedRemoveSetOperation(some(chance, ELEMENTS[:4]), some(chance, ELEMENTS[:4])),
    "ormap": lambda chance: ObservedRemoveMapOperation(
        {name: chance.choice(ELEMENTS) for name in chance.sample(NAMES, chance.randrange(3))},
        frozenset(chance.sample(NAMES, chance.randrange(2))),
    ),
}
"""Random operations of the types that take any operation from anybody; the bounded counter has worlds of its own."""


def world(kind: str, seed: int, *, steps: int = 14) -> World:
    """Return what some replicas did and heard."""
    chance = random.Random(f"{kind} {seed}")
    made = World(dict.fromkeys(REPLICAS, STATES[kind]()))
    counters = dict.fromkeys(REPLICAS, 0)
    for _ in range(steps):
        replica = chance.choice(REPLICAS)
        if chance.random() < 0.4:
            other = chance.choice(REPLICAS)
            made.states[replica] = joined(made.states[replica], made.states[other])
            made.seen[replica] = made.seen[replica].merge(made.seen[other])
        else:
            counters[replica] += 1
            author = Authorship(Dot(replica, counters[replica]), made.seen[replica], chance.choice(STAMPS))
            made.done.append(edited(made.states[replica], OPERATIONS[kind](chance), author))
            made.states[replica] = made.done[-1].after
            made.seen[replica] = made.seen[replica].with_dot(author.dot)
            made.known.append(made.done[-1].delta)
        made.known.append(made.states[replica])
    return made


def edited(state: State, operation: Operation, author: Authorship) -> Done:
    """Return what an operation does to a state."""
    delta: State = state.delta(operation, author)  # type: ignore[arg-type]
    return Done(operation, author, state, delta, applied(state, operation, author))


def worlds(kind: str, count: int = WORLDS) -> Iterator[tuple[World, random.Random]]:
    """Yield the worlds of a type, each with the chance by which its cases are drawn."""
    for seed in range(count):
        yield world(kind, seed), random.Random(seed)

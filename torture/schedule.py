"""A seeded order of faults: each kind comes once before any comes again."""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

Kind = TypeVar("Kind")


def schedule(kinds: Sequence[Kind], rounds: int, choice: random.Random) -> Iterator[Kind]:
    """Yield `rounds` kinds."""
    left: list[Kind] = []
    for _ in range(rounds):
        if not left:
            left = choice.sample(kinds, len(kinds))
        yield left.pop()

"""A fault, and how it is repaired."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Target = TypeVar("Target")
Repair = Callable[[], None]


@dataclass(frozen=True)
class Fault(Generic[Target]):
    """A kind of fault."""

    name: str
    description: str
    begin: Callable[[Target], Repair]
    """Breaks something, and returns how to repair it."""
    seconds: float
    """Time from the fault to its repair."""


def nothing() -> None:
    """Repair nothing: it comes back by itself."""


def repair_all(repairs: list[Repair]) -> Repair:
    """Return a repair of several faults, in this order."""

    def repair() -> None:
        for each in repairs:
            each()

    return repair

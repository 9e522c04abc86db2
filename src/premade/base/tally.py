"""How often partners and gates were refused since somebody last asked, in this process."""

from collections import Counter

Refused = tuple[int | None, str]
"""The partner, where it is known, and the problem's code."""

_waiting: Counter[Refused] = Counter()


def note_refusal(partner_id: int | None, code: str) -> None:
    """One more."""
    _waiting[partner_id, code] += 1


def take_refusals() -> Counter[Refused]:
    """All of them, which begin anew."""
    taken = _waiting.copy()
    _waiting.clear()
    return taken


def give_back(refusals: Counter[Refused]) -> None:
    """What was taken and could not be written."""
    _waiting.update(refusals)

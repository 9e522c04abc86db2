"""Count refused requests of partners and gates, and refused sign-ins, in this process, until they are written to the database."""

from collections import Counter

from premade.runtime.metrics import REFUSALS

Refused = tuple[int | None, str]
"""Partner id (None if unknown) and code of the problem."""

_waiting: Counter[Refused] = Counter()


def note_refusal(partner_id: int | None, code: str) -> None:
    """Count one refusal."""
    _waiting[partner_id, code] += 1


def count_refused_sign_in(code: str) -> None:
    """Count one refused sign-in of staff, for Prometheus and for the overview."""
    REFUSALS.labels(code).inc()
    note_refusal(None, code)


def take_refusals() -> Counter[Refused]:
    """Return all counts and reset them."""
    taken = _waiting.copy()
    _waiting.clear()
    return taken


def put_back(refusals: Counter[Refused]) -> None:
    """Add counts that were taken and could not be written."""
    _waiting.update(refusals)

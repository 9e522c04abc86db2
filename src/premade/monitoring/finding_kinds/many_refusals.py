"""Many sign-ins and requests with wrong API keys are refused."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures
from premade.monitoring.finding import Finding, FindingKind

CODES = frozenset(
    {
        "API_KEY_INVALID",
        "TOO_MANY_WRONG_KEYS",
        "KEY_NETWORK_REFUSED",
        "SIGN_IN_REFUSED",
        "TOO_MANY_SIGN_INS",
        "PROVIDER_SIGN_IN_REFUSED",
    }
)
REFUSALS_MAX = 500


def _find(figures: Figures) -> Iterator[Finding]:
    # The alert counts the last hour. Here the counts are by day, so those of today must do: they can only be more.
    today = sum(row.refused for row in figures.refusals if row.day == figures.today and row.code in CODES)
    if today > REFUSALS_MAX:
        yield Finding(MANY_REFUSALS, None, today)


MANY_REFUSALS = FindingKind(
    "PremadeManyRefusals",
    _find,
    headline="{{ found.figure | number }} sign-ins and requests with wrong API keys were refused today",
    advice=(
        "Somebody may be guessing passwords or keys, or a program has an old key. "
        '<a href="/console/audit?event=staff.sign_in_refused">The audit record</a> has the addresses of refused '
        "sign-ins. Replace a key or password that may be known."
    ),
)

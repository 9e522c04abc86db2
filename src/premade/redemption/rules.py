"""The operator's settings for the gates."""

from dataclasses import dataclass
from datetime import timedelta

OFFLINE_SCAN_DAYS_MAX = 30
LIST_HOURS_MAX = 24
PHONE_DIGITS = 4
PHONE_DIGITS_MAX = 15
"""The longest phone number (ITU-T E.164)."""


@dataclass(frozen=True)
class GateRules:
    """Rules of the operator's gates."""

    scan_age_max: timedelta = timedelta(days=OFFLINE_SCAN_DAYS_MAX)
    """Maximum age of an offline scan when it is uploaded."""
    phone_digits: int = PHONE_DIGITS
    """How many digits of the customer's phone number a typed code needs."""
    list_hours_max: int = LIST_HOURS_MAX
    """Maximum age of the gate page's list; a guard must confirm an older one."""

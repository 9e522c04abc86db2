"""The operator's settings for the gates."""

from dataclasses import dataclass
from datetime import timedelta

OFFLINE_SCAN_DAYS_MAX = 30
PHONE_DIGITS = 4
PHONE_DIGITS_MAX = 15
"""The longest phone number (ITU-T E.164)."""


@dataclass(frozen=True)
class GateRules:
    """Rules of the operator's gates.

    `scan_age_max`: maximum age of an offline scan when it is uploaded. `phone_digits`: how many digits of the customer's
    phone number a typed code needs.
    """

    scan_age_max: timedelta = timedelta(days=OFFLINE_SCAN_DAYS_MAX)
    phone_digits: int = PHONE_DIGITS

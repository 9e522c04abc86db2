"""What the operator sets for its gates."""

from dataclasses import dataclass
from datetime import timedelta

OFFLINE_SCAN_DAYS_MAX = 30
PHONE_DIGITS = 4
PHONE_DIGITS_MAX = 15
"""Of the longest phone number (ITU-T E.164)."""


@dataclass(frozen=True)
class GateRules:
    """`scan_age_max`: how old a scan of a device without network may be when it is uploaded. `phone_digits`: how many
    digits of the customer's phone number must come with a code that is typed in.
    """

    scan_age_max: timedelta = timedelta(days=OFFLINE_SCAN_DAYS_MAX)
    phone_digits: int = PHONE_DIGITS

"""The limits that a partner can have of its own. A new one is a line here, and a setting with its default."""

from collections.abc import Mapping
from dataclasses import dataclass

from premade.limits.operation_class import OperationClass
from premade.runtime.settings import PER_MINUTE_MAX
from premade.texts.translation import Text, lazy


@dataclass(frozen=True)
class PartnerLimit:
    """A limit. 0 means that there is none."""

    name: str
    """Name in commands, forms and audit events."""
    label: Text
    hint: Text
    value_max: int


def rate_limit_name(operation_class: OperationClass) -> str:
    """Return the name of the rate limit of this class."""
    return f"rate-{operation_class}"


UNUSED_TICKETS = "unused-tickets"
OPEN_RESERVATIONS = "open-reservations"
CHANNEL_SHARE = "channel-share"
LONG_READS = "long-reads"
_LONG_READS_MAX = 1_000
_COUNT_MAX = 1_000_000_000
_PER_MINUTE = lazy("Requests a minute of one API key.")
_REGISTERED = (
    PartnerLimit(
        rate_limit_name(OperationClass.GENERATE), lazy("Rate of generating"), _PER_MINUTE, PER_MINUTE_MAX
    ),
    PartnerLimit(
        rate_limit_name(OperationClass.ACTIVATE), lazy("Rate of activating"), _PER_MINUTE, PER_MINUTE_MAX
    ),
    PartnerLimit(rate_limit_name(OperationClass.READ), lazy("Rate of reading"), _PER_MINUTE, PER_MINUTE_MAX),
    PartnerLimit(rate_limit_name(OperationClass.GATE), lazy("Rate at gates"), _PER_MINUTE, PER_MINUTE_MAX),
    PartnerLimit(
        UNUSED_TICKETS,
        lazy("Unused tickets"),
        lazy("Tickets of all products that are not activated yet."),
        _COUNT_MAX,
    ),
    PartnerLimit(
        OPEN_RESERVATIONS, lazy("Open reservations"), lazy("Reservations that hold stock now."), _COUNT_MAX
    ),
    PartnerLimit(
        CHANNEL_SHARE,
        lazy("Share of the channel in percent"),
        lazy("Unused and reserved tickets of a product, as a share of the channel's allotment."),
        100,
    ),
    PartnerLimit(
        LONG_READS,
        lazy("Exports and snapshots at once"),
        lazy("Over all workers and machines, until they are sent."),
        _LONG_READS_MAX,
    ),
)
PARTNER_LIMITS = {limit.name: limit for limit in _REGISTERED}
"""All limits by name, in the order of display."""
OwnLimits = Mapping[str, int]
"""A partner's own limits by name. For all others the settings apply."""

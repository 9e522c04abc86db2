"""Writing to the audit record, in the transaction of the change itself."""

import os
import pwd
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import orjson

from premade.audit import record_sql as sql
from premade.postgres.database import Transaction

COMMAND = "command"
"""The kind of actor of the command `premade`. Older events have this word alone as actor."""
_ROOT = 0
_USER_CHARACTERS_MAX = 64


def _system_user() -> str:
    """Return the name of whoever runs this process; under sudo, of whoever called it. A user without a name is a number.

    SUDO_USER counts only for root, who could act as anybody anyway.
    """
    user_id = os.getuid()
    if user_id == _ROOT and (caller := os.environ.get("SUDO_USER")):
        with suppress(KeyError, ValueError):
            return pwd.getpwnam(caller).pw_name
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


COMMAND_ACTOR = f"{COMMAND}:{_system_user()[:_USER_CHARACTERS_MAX]}"
"""The actor of this process as a command: `command:mei`."""


class Event(StrEnum):
    """What can happen."""

    PARTNER_ADDED = "partner.added"
    PARTNER_DISABLED = "partner.disabled"
    PARTNER_ENABLED = "partner.enabled"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    PRODUCT_ADDED = "product.added"
    PRODUCT_CHANGED = "product.changed"
    ALLOTMENT_SET = "allotment.set"
    BATCH_GENERATED = "batch.generated"
    BATCH_GENERATION_BEGUN = "batch.generation_begun"
    BATCH_GENERATION_STOPPED = "batch.generation_stopped"
    TICKET_ACTIVATED = "ticket.activated"
    TICKET_REDEEMED = "ticket.redeemed"
    REDEMPTION_CONFLICT = "ticket.redemption_conflict"
    TICKET_CANCELLED = "ticket.cancelled"
    BATCH_CANCELLATION_BEGUN = "batch.cancellation_begun"
    BATCH_CANCELLED = "batch.cancelled"
    BATCH_EXPORTED = "batch.exported"
    TICKET_REISSUED = "ticket.reissued"
    TICKET_EXPIRED = "ticket.expired"
    TICKET_QR_VIEWED = "ticket.qr_viewed"
    TICKET_CUSTOMER_VIEWED = "ticket.customer_viewed"
    RESERVATION_MADE = "reservation.made"
    RESERVATION_RELEASED = "reservation.released"
    RESERVATION_EXPIRED = "reservation.expired"
    PARTNER_CHANGED = "partner.changed"
    PARTNER_RENAMED = "partner.renamed"
    SIGNING_KEY_ADDED = "signing_key.added"
    DATABASE_RESTORED = "database.restored"
    SIGNING_KEY_RETIRED = "signing_key.retired"
    STAFF_ADDED = "staff.added"
    STAFF_PASSWORD_SET = "staff.password_set"  # noqa: S105  (the name of an event)
    STAFF_ROLE_SET = "staff.role_set"
    STAFF_DISABLED = "staff.disabled"
    STAFF_ENABLED = "staff.enabled"
    STAFF_SIGNED_IN = "staff.signed_in"
    STAFF_SIGNED_OUT = "staff.signed_out"
    STAFF_SIGN_IN_REFUSED = "staff.sign_in_refused"


class Acting(Protocol):
    """Who changes something that belongs to a partner: the partner, by a key, or the operator's staff."""

    @property
    def partner_id(self) -> int:
        """Whose it is."""
        ...

    @property
    def actor(self) -> str:
        """As the record names who does it."""
        ...


async def record(
    tx: Transaction,
    event: Event,
    at: datetime,
    *,
    partner_id: int | None,
    actor: str = COMMAND_ACTOR,
    **data: Any,
) -> None:
    """One event that concerns no single ticket. `data` must hold no secret and nothing personal."""
    await tx.execute(
        sql.record,
        event=event.value,
        occurred_at=at,
        partner_id=partner_id,
        actor=actor,
        data=orjson.dumps(data).decode(),
    )

"""Manual entries: a guard types in the ticket code, because the QR cannot be read.

Codes can be guessed, so the last digits of the customer's phone number go with it. Wrong entries are counted for the
API key or member of staff, for the operator or partner whose gate it is, and for the ticket. They are not counted by
device_id, which a client chooses. Right entries are not counted.
"""

import hmac
from collections import Counter
from dataclasses import dataclass

from premade.partners.keyring import GateCaller
from premade.postgres.database import Database, Transaction
from premade.redemption import manual_sql as sql
from premade.redemption.counts import GateCountKind, count_at_gate
from premade.redemption.rules import GateRules
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid, NotFound, TooMany
from premade.runtime.logging import log
from premade.texts.fields import field_text
from premade.throttle.attempts import AttemptLimit, CountedSubject, count_attempts, take_back

PERMISSION = "gate:manual-entry"
OF_CALLER = AttemptLimit("manual-entry-by-caller", 20, 600)
"""Several devices may share a key: if one entry in ten is wrong, this allows 200 entries in 10 minutes."""
OF_GATES = AttemptLimit("manual-entry-at-gates", 300, 3600)
"""Higher than the limit of one key, so that no single key locks out all gates of the operator."""
OF_TICKET = AttemptLimit("manual-entry-of-ticket", 10, 3600)


class DigitsWrong(NotFound):
    """No ticket has this code with a customer's phone number that ends in these digits."""

    code = "DIGITS_WRONG"


class TooManyEntries(TooMany):
    """Too many wrong codes or digits were entered: with this API key or by this member of staff, at these gates, or for this ticket."""

    code = "TOO_MANY_MANUAL_ENTRIES"


@dataclass(frozen=True)
class ManualEntry:
    """A manual entry at a device. `ticket_code` is None if the text is not a ticket code."""

    ticket_code: str | None
    phone_digits: str
    device_id: str


class ManualEntries:
    """Check manual entries."""

    def __init__(self, database: Database, runtime: Runtime, rules: GateRules) -> None:
        self._database = database
        self._runtime = runtime
        self._rules = rules

    async def check(self, caller: GateCaller, entry: ManualEntry) -> str:
        """Return the ticket's code.

        Raises:
            PermissionMissing: the key lacks the permission.
            Invalid: fewer digits than the operator requires.
            TooManyEntries: a limit of wrong entries was reached earlier.
            DigitsWrong: there is no such ticket, or its customer's number ends in other digits.
        """
        caller.require(PERMISSION)
        if len(entry.phone_digits) < self._rules.phone_digits:
            text = field_text("gate.more_digits", digits=self._rules.phone_digits)
            raise Invalid([FieldError("#/phone_last4", text)])
        async with self._database.transaction() as tx:
            code = await self._matching(tx, caller, entry)
            if code is None:
                await count_at_gate(
                    tx, self._runtime, caller, entry.device_id, Counter([GateCountKind.WRONG_DIGITS])
                )
        # After the commit, which counts the wrong entry.
        if code is None:
            log.warning("ota.gate.digits_wrong", actor=caller.actor, device_id=entry.device_id)
            raise DigitsWrong
        return code

    async def _matching(self, tx: Transaction, caller: GateCaller, entry: ManualEntry) -> str | None:
        """Return the ticket's code if the digits match.

        The entry is counted before the comparison, and the count is taken back if it is right. So concurrent guesses wait
        for each other.
        """
        owner = str(caller.partner_id or "operator")
        subjects = [CountedSubject(OF_GATES, owner), CountedSubject(OF_CALLER, caller.counted_as)]
        if entry.ticket_code is not None:
            # Callers of other partners have their own count: their guesses must not lock the ticket at its own gates.
            subjects.append(CountedSubject(OF_TICKET, f"{owner} {entry.ticket_code}"))
        counts = await count_attempts(tx, self._runtime.now(), subjects)
        for count in counts:
            if count.is_over:
                # The rollback takes this entry back from all counts.
                raise TooManyEntries(count.seconds_left)
        if entry.ticket_code is None:
            return None
        customer_phone = await tx.fetch_one(
            sql.customer_phone, ticket_code=entry.ticket_code, partner_id=caller.partner_id
        )
        phone = (customer_phone or "").removeprefix("+")
        if not hmac.compare_digest(phone[-len(entry.phone_digits) :], entry.phone_digits):
            return None
        await take_back(tx, counts)
        return entry.ticket_code

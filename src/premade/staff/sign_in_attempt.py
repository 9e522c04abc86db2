"""Sign-in attempts: counted before the slow check of the password, and refused beyond their limits."""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

from premade.audit.actors import CONSOLE
from premade.audit.event_fields import SignInRefusal
from premade.audit.events import StaffSignInRefused
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import TooMany
from premade.staff import password as passwords
from premade.staff import session_sql as sql
from premade.staff.member import stored_name
from premade.throttle.attempts import AttemptCount, AttemptLimit, CountedSubject, count_attempts

WINDOW_SECONDS = 900
OF_NAME_FROM_ADDRESS = AttemptLimit("name-from-address", 10, WINDOW_SECONDS)
"""From one address, so that guesses from elsewhere do not lock out the member with that name."""
OF_ADDRESS = AttemptLimit("address", 100, WINDOW_SECONDS)
"""More than for a name: everybody in one office has the same address."""
OF_NAME = AttemptLimit("name", 500, WINDOW_SECONDS)
"""From all addresses together: more than a few addresses can reach."""
OF_PROVIDER = AttemptLimit("provider", 100, WINDOW_SECONDS)
"""Sign-ins by the identity provider from one address: each makes the service send requests."""
OF_BROWSER = AttemptLimit("browser", 10, WINDOW_SECONDS)


class TooManySignIns(TooMany):
    """Too many sign-ins failed, for this name or from this address."""

    code = "TOO_MANY_SIGN_INS"

    @property
    def minutes(self) -> int:
        """Return the time until the next attempt, rounded up."""
        return math.ceil(self.retry_after_seconds / 60)

    @property
    def reason(self) -> Literal["minute", "minutes"]:
        """Return the grammatical number of the minutes."""
        return "minutes" if self.minutes > 1 else "minute"


@dataclass(frozen=True)
class SignInAttempt:
    """A counted attempt."""

    member: sql.PasswordRow | None
    """The member with this name."""
    counts: list[AttemptCount]
    """The counts that it is part of."""
    is_known: bool
    """Whether the member signed in with this browser before."""


async def count_sign_in(
    database: Database, runtime: Runtime, name: str, address: str, browser: str | None
) -> SignInAttempt:
    """Count an attempt. Each count is committed before the password is checked, so that concurrent guesses do not pass.

    A password has its own count, so that a new one can be used at once. A browser that this member signed in with before
    also has its own: attempts of others with that name, or from that address, do not count there.

    Raises:
        TooManySignIns: a limit was reached earlier.
        SignInsBusy: too many passwords are being checked.
    """
    member = await _find_member(database, name)
    is_known = member is not None and await _is_known(database, runtime, browser, member)
    subjects = [CountedSubject(OF_BROWSER, browser or "")] if is_known else _subjects(name, member, address)
    passwords.require_room(is_known=is_known)
    counts = [await _count(database, runtime, subject) for subject in subjects]
    return SignInAttempt(member, counts, is_known)


async def count_provider_sign_in(database: Database, runtime: Runtime, address: str) -> AttemptCount:
    """Count a sign-in by the identity provider.

    Raises:
        TooManySignIns: the limit was reached earlier.
    """
    return await _count(database, runtime, CountedSubject(OF_PROVIDER, address))


def _subjects(name: str, member: sql.PasswordRow | None, address: str) -> list[CountedSubject]:
    password_of_name = f"{stored_name(name)} {member.password_digest if member else ''}"
    return [
        CountedSubject(OF_NAME_FROM_ADDRESS, f"{password_of_name} {address}"),
        CountedSubject(OF_ADDRESS, address),
        CountedSubject(OF_NAME, password_of_name),
    ]


async def _find_member(database: Database, name: str) -> sql.PasswordRow | None:
    stored = stored_name(name)
    # No member has a NUL in the name: PostgreSQL cannot store it. Dropping the NUL would give a second spelling with its own
    # count of attempts.
    if "\0" in stored:
        return None
    async with database.single_statement() as tx:
        return await tx.fetch_one(sql.member_by_name, name=stored)


async def _is_known(
    database: Database, runtime: Runtime, browser: str | None, member: sql.PasswordRow
) -> bool:
    if not browser:
        return False
    async with database.single_statement() as tx:
        row = await tx.fetch_one(
            sql.known_browser, digest=digest_of(browser), staff_id=member.staff_id, now=runtime.now()
        )
    return row is not None


async def _count(database: Database, runtime: Runtime, subject: CountedSubject) -> AttemptCount:
    now = runtime.now()
    async with database.transaction() as tx:
        [count] = await count_attempts(tx, now, [subject])
        if count.is_first_over:
            # Once in a window, so that further attempts do not fill the audit record.
            await record_refusal(tx, runtime, SignInRefusal.TOO_MANY, None)
    if count.is_over:
        raise TooManySignIns(count.seconds_left)
    return count


async def record_refusal(
    tx: Transaction, runtime: Runtime, reason: SignInRefusal, staff_id: int | None
) -> None:
    """Record a refused sign-in."""
    event = StaffSignInRefused(reason=reason, staff_id=staff_id)
    await record(tx, event, runtime.now(), partner_id=None, actor=CONSOLE)


def digest_of(token: str) -> bytes:
    """Return the SHA-256 that the database keeps in place of a token in a cookie."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()

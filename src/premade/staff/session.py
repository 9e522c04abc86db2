"""Signing in and out, and who is signed in."""

import base64
import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from premade.audit.actors import CONSOLE, staff_actor
from premade.audit.event_fields import SignInRefusal
from premade.audit.events import StaffPasswordSet, StaffSignedIn, StaffSignedOut, StaffSignInRefused
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid, TooMany, Unauthenticated
from premade.runtime.logging import log
from premade.staff import password as passwords
from premade.staff import session_sql as sql
from premade.staff.member import name_as_kept
from premade.staff.role import RIGHTS, Right, Role

IDLE_SECONDS_MAX = 3_600
"""Who asks for no page for so long must sign in again."""
SESSION_SECONDS_MAX = 12 * 3_600
"""So must everybody after so long: a working day."""
SEEN_EVERY_SECONDS = 60
TRY_SPAN_SECONDS = 900
TRIES_OF_A_NAME_MAX = 10
"""From one address: whoever guesses elsewhere must not keep out whom the name belongs to."""
TRIES_OF_AN_ADDRESS_MAX = 100
"""More than of a name: in one office everybody has the same address."""
TRIES_OF_A_NAME_ANYWHERE_MAX = 500
"""Of a name from all addresses together: more than any few addresses are let try."""
BROWSER_SECONDS_MAX = 180 * 24 * 3_600
"""How long a browser counts as one that signed in before."""
BROWSERS_MAX = 20
"""Known browsers of one member; the oldest are forgotten."""
TOKEN_BYTES = 32


class SignInRefused(Unauthenticated):
    """No active member of staff has this name and password."""

    code = "SIGN_IN_REFUSED"


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
class Member:
    """Somebody who is signed in."""

    staff_id: int
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """As the audit record names them."""
        return staff_actor(self.staff_id)

    def may(self, right: Right) -> bool:
        """Whether their role has it."""
        return right in RIGHTS[self.role]


@dataclass(frozen=True)
class SignedIn:
    """Two cookies of a browser: `token` of its session, and `browser`, which identifies it at the next sign-in."""

    token: str
    browser: str


@dataclass(frozen=True)
class _Try:
    """A sign-in attempt: the member whom the name belongs to, and the subjects under which it is counted."""

    found: sql.PasswordRow | None
    subjects: list[bytes]
    is_known: bool


@dataclass(frozen=True)
class Sessions:
    """What being signed in needs."""

    database: Database
    runtime: Runtime

    async def sign_in(
        self, name: str, password: str, address: str, before: str | None = None, browser: str | None = None
    ) -> SignedIn:
        """Open a new session in place of the one `before`. `browser` is the cookie of an earlier sign-in.

        SignInRefused, TooManySignIns, SignInsBusy.
        """
        tried = await self._count_try(name, address, browser)
        member = await self._proven(tried, password)
        async with self.database.transaction() as tx:
            signed_in = await self._open(tx, member.staff_id, member.password_digest, tried, browser)
            if before:
                await tx.execute(sql.replace_session, digest=_digest(before))
            actor = staff_actor(member.staff_id)
            await record(tx, StaffSignedIn(), self.runtime.now(), partner_id=None, actor=actor)
        log.info("console.signed_in", staff_id=member.staff_id)
        return signed_in

    async def change_password(
        self, member: Member, password: str, new: str, address: str, browser: str | None = None
    ) -> SignedIn:
        """Change one's own password. Only the new session and this browser remain valid.

        Invalid, with the fields `password` and `new-password`; SignInRefused when it was changed meanwhile;
        TooManySignIns: a browser that was left alone is no place to guess either.
        """
        if why := await passwords.why_refused(new, member.name):
            raise Invalid([FieldError("new-password", why)])
        tried = await self._count_try(member.name, address, browser)
        try:
            kept = await self._proven(tried, password)
        except SignInRefused:
            raise Invalid([FieldError("password", "That is not your password")]) from None
        digest = await passwords.digest(new)
        async with self.database.transaction() as tx:
            changed = await tx.fetch_one(
                sql.change_password,
                staff_id=member.staff_id,
                password_digest=kept.password_digest,
                new_digest=digest,
            )
            if changed is None:
                raise SignInRefused
            await tx.execute(sql.close_sessions, staff_id=member.staff_id, digest=None)
            await tx.execute(sql.forget_browsers, staff_id=member.staff_id)
            signed_in = await self._open(tx, member.staff_id, digest, tried)
            event = StaffPasswordSet(staff_id=member.staff_id)
            await record(tx, event, self.runtime.now(), partner_id=None, actor=member.actor)
        log.info("console.password_changed", staff_id=member.staff_id)
        return signed_in

    async def _count_try(self, name: str, address: str, browser: str | None) -> _Try:
        """Count an attempt before the password is checked, so that concurrent guesses wait for each other.

        A password has its own count, so that a new one can be used at once. A browser that this member signed in with
        before has its own as well: whatever others try with that name, or from that address, does not count there.
        """
        found = await self._found(name)
        if is_known := await self._is_known(browser, found):
            subjects = {_digest(f"browser {browser}"): TRIES_OF_A_NAME_MAX}
        else:
            subjects = self._subjects(name, found, address)
        passwords.require_room(is_known=is_known)
        for subject, tries_max in subjects.items():
            await self._count(subject, tries_max)
        return _Try(found, sorted(subjects), is_known)

    def _subjects(self, name: str, found: sql.PasswordRow | None, address: str) -> dict[bytes, int]:
        whose = f"name {name_as_kept(name)} {found.password_digest if found else ''}"
        return {
            _digest(f"{whose} address {address}"): TRIES_OF_A_NAME_MAX,
            _digest(f"address {address}"): TRIES_OF_AN_ADDRESS_MAX,
            _digest(whose): TRIES_OF_A_NAME_ANYWHERE_MAX,
        }

    async def _is_known(self, browser: str | None, found: sql.PasswordRow | None) -> bool:
        """Return whether the member signed in with this browser before."""
        if not browser or found is None:
            return False
        async with self.database.single_statement() as tx:
            known = await tx.fetch_one(
                sql.known_browser, digest=_digest(browser), staff_id=found.staff_id, now=self.runtime.now()
            )
        return known is not None

    async def _open(
        self, tx: Transaction, staff_id: int, password_digest: str, tried: _Try, browser: str | None = None
    ) -> SignedIn:
        """A session of whoever proved to have the password, whose try no longer counts."""
        now, token, known = self.runtime.now(), self._token(), self._token()
        # Whoever was disabled, or got another password, while the digest was made is not let in.
        opened = await tx.fetch_one(
            sql.open_session,
            digest=_digest(token),
            staff_id=staff_id,
            password_digest=password_digest,
            now=now,
            length=timedelta(seconds=SESSION_SECONDS_MAX),
        )
        if opened is None:
            raise SignInRefused
        await tx.execute(sql.sweep_sessions, now=now)
        await tx.execute(
            sql.know_browser,
            staff_id=staff_id,
            digest=_digest(known),
            before=None if browser is None else _digest(browser),
            now=now,
            length=timedelta(seconds=BROWSER_SECONDS_MAX),
            kept=BROWSERS_MAX - 1,
        )
        for subject in tried.subjects:
            await tx.execute(sql.take_try_back, subject=subject)
        return SignedIn(token, known)

    def _token(self) -> str:
        return base64.urlsafe_b64encode(self.runtime.random_bytes(TOKEN_BYTES)).decode()

    async def _found(self, name: str) -> sql.PasswordRow | None:
        kept = name_as_kept(name)
        # No member has a NUL in the name: PostgreSQL cannot store it. Dropping the NUL would give a second spelling with its own
        # count of attempts.
        if "\0" in kept:
            return None
        async with self.database.single_statement() as tx:
            return await tx.fetch_one(sql.member_by_name, name=kept)

    async def _proven(self, tried: _Try, password: str) -> sql.PasswordRow:
        """Return the member if the password is right and they may sign in. Raises SignInRefused or SignInsBusy."""
        member = tried.found
        kept = None if member is None else member.password_digest
        is_right = await passwords.is_right(password, kept, is_known=tried.is_known)
        if member is not None and is_right and member.disabled_at is None:
            return member
        staff_id = None if member is None else member.staff_id
        async with self.database.transaction() as tx:
            reason = SignInRefusal.DISABLED if is_right else SignInRefusal.WRONG
            await self._record_refusal(tx, reason, staff_id)
        log.info("console.sign_in_refused", staff_id=staff_id)
        raise SignInRefused

    async def _count(self, subject: bytes, tries_max: int) -> None:
        now, span = self.runtime.now(), timedelta(seconds=TRY_SPAN_SECONDS)
        async with self.database.transaction() as tx:
            await tx.execute(sql.sweep_tries, now=now, span=span, subject=subject)
            counted = await tx.fetch_one(sql.count_try, subject=subject, now=now, span=span)
            assert counted is not None
            if counted.tries == tries_max + 1:
                # The first of a span only: the record must not grow with each further try.
                await self._record_refusal(tx, SignInRefusal.TOO_MANY, None)
        if counted.tries > tries_max:
            wait = max(1, math.ceil((counted.span_began_at + span - now).total_seconds()))
            raise TooManySignIns(wait)

    async def _record_refusal(self, tx: Transaction, reason: SignInRefusal, staff_id: int | None) -> None:
        event = StaffSignInRefused(reason=reason, staff_id=staff_id)
        await record(tx, event, self.runtime.now(), partner_id=None, actor=CONSOLE)

    async def member_of(self, token: str) -> Member | None:
        """Who is signed in with this token; None when nobody is, or no longer."""
        now, digest = self.runtime.now(), _digest(token)
        async with self.database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.member_by_session,
                digest=digest,
                now=now,
                seen_after=now - timedelta(seconds=IDLE_SECONDS_MAX),
            )
            if row is None:
                return None
            if now - row.last_seen_at >= timedelta(seconds=SEEN_EVERY_SECONDS):
                await tx.execute(sql.note_seen, digest=digest, now=now)
        return Member(row.staff_id, row.name, row.role)

    async def sign_out(self, member: Member, token: str, *, everywhere: bool) -> None:
        """Ends this session, or all of theirs."""
        async with self.database.transaction() as tx:
            digest = None if everywhere else _digest(token)
            await tx.execute(sql.close_sessions, staff_id=member.staff_id, digest=digest)
            if everywhere:
                await tx.execute(sql.forget_browsers, staff_id=member.staff_id)
            event = StaffSignedOut(everywhere=everywhere)
            await record(tx, event, self.runtime.now(), partner_id=None, actor=member.actor)
        log.info("console.signed_out", staff_id=member.staff_id)

    async def count_of(self, member: Member) -> int:
        """How many browsers they are signed in with."""
        now = self.runtime.now()
        async with self.database.single_statement() as tx:
            sessions = await tx.fetch_one(
                sql.count_sessions,
                staff_id=member.staff_id,
                now=now,
                seen_after=now - timedelta(seconds=IDLE_SECONDS_MAX),
            )
        assert sessions is not None
        return sessions


def form_token(token: str) -> str:
    """What every form of a session carries: another site can neither read it nor make it."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()

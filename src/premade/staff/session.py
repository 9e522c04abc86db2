"""Sessions of the console: sign-in, sign-out, and the member of staff of a session."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from premade.audit.actors import staff_actor
from premade.audit.event_fields import SignInMethod, SignInRefusal
from premade.audit.events import StaffPasswordSet, StaffSignedIn, StaffSignedOut
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid, Unauthenticated
from premade.runtime.logging import log
from premade.staff import password as passwords
from premade.staff import second_factor_sql
from premade.staff import session_sql as sql
from premade.staff.role import RIGHTS, Right, Role
from premade.staff.second_factor import confirm_enrolment, count_code, is_right, wrong_code
from premade.staff.second_factor_sql import HalfSignIn
from premade.staff.sign_in_attempt import SignInAttempt, count_sign_in, digest_of, record_refusal
from premade.texts.fields import field_text
from premade.throttle.attempts import AttemptCount, take_back

IDLE_SECONDS_MAX = 3_600
"""A session ends after this time without a page."""
SESSION_SECONDS_MAX = 12 * 3_600
"""Maximum length of a session: a working day."""
SEEN_EVERY_SECONDS = 60
"""How often the time of a session's last page is written."""
BROWSER_SECONDS_MAX = 180 * 24 * 3_600
"""How long a browser is known after a sign-in."""
BROWSERS_MAX = 20
"""Known browsers of one member; the oldest are deleted."""
HALF_SECONDS_MAX = 600
"""How long a sign-in with a right password waits for the code."""
TOKEN_BYTES = 32


class SignInRefused(Unauthenticated):
    """No active member of staff has this name and password."""

    code = "SIGN_IN_REFUSED"


@dataclass(frozen=True)
class Member:
    """A member of staff who is signed in."""

    staff_id: int
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """Return the actor of the audit record."""
        return staff_actor(self.staff_id)

    def may(self, right: Right) -> bool:
        """Return whether the role has this right."""
        return right in RIGHTS[self.role]


@dataclass(frozen=True)
class SignedIn:
    """Two cookies of a browser: `token` of its session, and `browser`, which identifies it at the next sign-in."""

    token: str
    browser: str
    recovery_codes: tuple[str, ...] = ()
    """Of a second factor that was set up with this sign-in. They are shown once."""


@dataclass(frozen=True)
class HalfSignedIn:
    """A sign-in with a right password that still needs the code of the second factor. `token`: a cookie."""

    token: str


@dataclass(frozen=True)
class Sessions:
    """The sessions of all members of staff."""

    database: Database
    runtime: Runtime
    roles_with_second_factor: frozenset[Role] = frozenset()
    """Members with these roles must set a second factor up at their next sign-in."""

    async def sign_in(
        self,
        name: str,
        password: str,
        address: str,
        previous_token: str | None = None,
        browser: str | None = None,
    ) -> SignedIn | HalfSignedIn:
        """Open a new session in place of the previous one. `browser` is the cookie of an earlier sign-in.

        A member with a second factor, or with a role that needs one, is only half signed in.

        Raises:
            SignInRefused: no active member has this name and password.
            TooManySignIns: too many attempts failed.
            SignInsBusy: too many passwords are being checked.
        """
        attempt = await count_sign_in(self.database, self.runtime, name, address, browser)
        member = await self._verify_password(attempt, password)
        async with self.database.transaction() as tx:
            if self._needs_code(member):
                return await self._begin(tx, member, attempt.counts, SignInMethod.PASSWORD)
            signed_in = await self._open(tx, member.staff_id, member.password_digest, attempt.counts, browser)
            await self._finish(tx, member.staff_id, previous_token, SignInMethod.PASSWORD)
        log.info("console.signed_in", staff_id=member.staff_id)
        return signed_in

    async def sign_in_by_provider(
        self,
        member: sql.PasswordRow,
        count: AttemptCount,
        previous_token: str | None,
        browser: str | None,
        *,
        needs_code: bool,
    ) -> SignedIn | HalfSignedIn:
        """Open a new session for a member whom the identity provider has identified, in place of the previous one.

        `needs_code`: whether the second factor, if the member or the role needs one, is checked here too.

        Raises:
            SignInRefused: the member was disabled, or got another password, meanwhile.
        """
        async with self.database.transaction() as tx:
            if needs_code and self._needs_code(member):
                return await self._begin(tx, member, [count], SignInMethod.PROVIDER)
            signed_in = await self._open(tx, member.staff_id, member.password_digest, [count], browser)
            await self._finish(tx, member.staff_id, previous_token, SignInMethod.PROVIDER)
        log.info("console.signed_in", staff_id=member.staff_id)
        return signed_in

    def _needs_code(self, member: sql.PasswordRow) -> bool:
        return member.has_second_factor or member.role in self.roles_with_second_factor

    async def _begin(
        self, tx: Transaction, member: sql.PasswordRow, counts: Sequence[AttemptCount], method: SignInMethod
    ) -> HalfSignedIn:
        token = self._token()
        await tx.execute(
            second_factor_sql.begin_sign_in,
            digest=digest_of(token),
            staff_id=member.staff_id,
            password_digest=member.password_digest,
            by_provider=method is SignInMethod.PROVIDER,
            now=self.runtime.now(),
            length=timedelta(seconds=HALF_SECONDS_MAX),
        )
        await take_back(tx, counts)
        return HalfSignedIn(token)

    async def _finish(
        self, tx: Transaction, staff_id: int, previous_token: str | None, method: SignInMethod
    ) -> None:
        if previous_token:
            await tx.execute(sql.replace_session, digest=digest_of(previous_token))
        event = StaffSignedIn(method=method)
        await record(tx, event, self.runtime.now(), partner_id=None, actor=staff_actor(staff_id))

    async def find_half(self, token: str) -> HalfSignIn | None:
        """Return the half sign-in with this token, or None if there is none or it has expired."""
        async with self.database.single_statement() as tx:
            return await tx.fetch_one(
                second_factor_sql.half_sign_in, digest=digest_of(token), now=self.runtime.now()
            )

    async def complete(
        self,
        token: str,
        code: str,
        previous_token: str | None = None,
        browser: str | None = None,
    ) -> SignedIn:
        """Complete a half sign-in by a code. If the member has no second factor yet, the code sets it up.

        Raises:
            SignInRefused: there is no such half sign-in, or the password was changed meanwhile.
            Invalid: the code is wrong.
            TooManySignIns: too many codes were wrong.
        """
        half = await self.find_half(token)
        if half is None:
            raise SignInRefused
        count = await count_code(self.database, self.runtime, half.staff_id)
        async with self.database.transaction() as tx:
            recovery_codes = await self._check_code(tx, half, token, code)
            if recovery_codes is not None:
                signed_in = await self._open(tx, half.staff_id, half.password_digest, [count], browser)
                ended = await tx.fetch_one(second_factor_sql.end_half_sign_in, digest=digest_of(token))
                if ended is None:
                    raise SignInRefused
                method = SignInMethod.PROVIDER if half.by_provider else SignInMethod.PASSWORD
                await self._finish(tx, half.staff_id, previous_token, method)
                return replace(signed_in, recovery_codes=tuple(recovery_codes))
            # Committed: the next attempt must not be able to repeat this one unseen.
            await record_refusal(tx, self.runtime, SignInRefusal.CODE, half.staff_id)
        log.info("console.sign_in_refused", staff_id=half.staff_id)
        raise wrong_code()

    async def _check_code(self, tx: Transaction, half: HalfSignIn, token: str, code: str) -> list[str] | None:
        """Return the new recovery codes, mostly none, or None if the code is wrong."""
        actor = staff_actor(half.staff_id)
        if not half.has_second_factor:
            return await confirm_enrolment(tx, self.runtime, half.staff_id, token, code, actor)
        return [] if await is_right(tx, self.runtime, half.staff_id, code, actor) else None

    async def change_password(
        self, member: Member, password: str, new: str, address: str, browser: str | None = None
    ) -> SignedIn:
        """Change one's own password. Only the new session and this browser remain valid.

        Raises:
            Invalid: for the fields `password` or `new-password`.
            SignInRefused: the password was changed meanwhile.
            TooManySignIns: too many attempts failed; a browser left alone is no place to guess either.
            SignInsBusy: too many passwords are being checked.
        """
        if why := await passwords.why_refused(new, member.name):
            raise Invalid([FieldError("new-password", why)])
        attempt = await count_sign_in(self.database, self.runtime, member.name, address, browser)
        try:
            current = await self._verify_password(attempt, password)
        except SignInRefused:
            raise Invalid([FieldError("password", field_text("staff.password_wrong"))]) from None
        digest = await passwords.digest(new)
        async with self.database.transaction() as tx:
            changed = await tx.fetch_one(
                sql.change_password,
                staff_id=member.staff_id,
                password_digest=current.password_digest,
                new_digest=digest,
            )
            if changed is None:
                raise SignInRefused
            await tx.execute(sql.close_sessions, staff_id=member.staff_id, digest=None)
            await tx.execute(sql.forget_browsers, staff_id=member.staff_id)
            signed_in = await self._open(tx, member.staff_id, digest, attempt.counts)
            event = StaffPasswordSet(staff_id=member.staff_id)
            await record(tx, event, self.runtime.now(), partner_id=None, actor=member.actor)
        log.info("console.password_changed", staff_id=member.staff_id)
        return signed_in

    async def _verify_password(self, attempt: SignInAttempt, password: str) -> sql.PasswordRow:
        """Return the member if the password is right and they are not disabled.

        Raises:
            SignInRefused: otherwise. It is recorded.
            SignInsBusy: too many passwords are being checked.
        """
        member = attempt.member
        stored = None if member is None else member.password_digest
        is_right = await passwords.is_right(password, stored, is_known=attempt.is_known)
        if member is not None and is_right and member.disabled_at is None:
            return member
        staff_id = None if member is None else member.staff_id
        reason = SignInRefusal.DISABLED if is_right else SignInRefusal.WRONG
        async with self.database.transaction() as tx:
            await record_refusal(tx, self.runtime, reason, staff_id)
        log.info("console.sign_in_refused", staff_id=staff_id)
        raise SignInRefused

    async def _open(
        self,
        tx: Transaction,
        staff_id: int,
        password_digest: str,
        counts: Sequence[AttemptCount],
        browser: str | None = None,
    ) -> SignedIn:
        """Open a session after a right password, and take its attempt back from the counts.

        Raises:
            SignInRefused: the member was disabled, or the password changed, while it was checked.
        """
        now, token, new_browser = self.runtime.now(), self._token(), self._token()
        opened = await tx.fetch_one(
            sql.open_session,
            digest=digest_of(token),
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
            digest=digest_of(new_browser),
            previous=None if browser is None else digest_of(browser),
            now=now,
            length=timedelta(seconds=BROWSER_SECONDS_MAX),
            others_max=BROWSERS_MAX - 1,
        )
        await take_back(tx, counts)
        return SignedIn(token, new_browser)

    def _token(self) -> str:
        return base64.urlsafe_b64encode(self.runtime.random_bytes(TOKEN_BYTES)).decode()

    async def find_member(self, token: str) -> Member | None:
        """Return the member of the session with this token, or None if there is no session or it has ended."""
        now, digest = self.runtime.now(), digest_of(token)
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
        """End this session, or all sessions of the member."""
        async with self.database.transaction() as tx:
            digest = None if everywhere else digest_of(token)
            await tx.execute(sql.close_sessions, staff_id=member.staff_id, digest=digest)
            if everywhere:
                await tx.execute(sql.forget_browsers, staff_id=member.staff_id)
            event = StaffSignedOut(everywhere=everywhere)
            await record(tx, event, self.runtime.now(), partner_id=None, actor=member.actor)
        log.info("console.signed_out", staff_id=member.staff_id)

    async def count_sessions(self, member: Member) -> int:
        """Return the number of the member's sessions."""
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
    """Return the token of every form of a session. Another site can neither read it nor compute it."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()

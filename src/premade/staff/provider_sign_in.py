"""Sign-in by the identity provider: from the provider's account to the member of staff, and links between both."""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from premade.audit.actors import COMMAND_ACTOR, staff_actor
from premade.audit.event_fields import SignInRefusal
from premade.audit.events import ProviderAccountLinked, ProviderAccountUnlinked
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import CommandError, Conflict
from premade.runtime.logging import log
from premade.staff import member_sql
from premade.staff import provider_account_sql as sql
from premade.staff.member import staff_in, stored_name
from premade.staff.provider_settings import (
    ProviderAccount,
    ProviderRefused,
    ProviderSettings,
    SecondFactorPolicy,
    SignInSecrets,
)
from premade.staff.session import TOKEN_BYTES, HalfSignedIn, Sessions, SignedIn
from premade.staff.session_sql import PasswordRow
from premade.staff.sign_in_attempt import count_provider_sign_in, record_refusal

if TYPE_CHECKING:
    from premade.staff.provider import Provider

SIGN_IN_SECONDS_MAX = 600
"""How long a browser may stay at the provider."""


@dataclass(eq=False)
class ProviderAccountTaken(Conflict):
    """The account cannot be linked to this member."""

    code = "PROVIDER_ACCOUNT_TAKEN"

    name: str


class NoProvider(CommandError):
    """No identity provider is configured."""

    code = "NO_PROVIDER"


class ProviderSignIns:
    """Sign-ins by the identity provider of the settings, if there is one."""

    def __init__(self, sessions: Sessions, settings: ProviderSettings | None) -> None:
        self._sessions = sessions
        self.settings = settings
        self._provider: Provider | None = None

    def _require_provider(self) -> "tuple[ProviderSettings, Provider]":
        assert self.settings is not None
        if self._provider is None:
            from premade.staff.provider import Provider  # noqa: PLC0415  (it takes memory and time)

            self._provider = Provider(self.settings, self._sessions.runtime)
        return self.settings, self._provider

    async def begin(self, redirect_uri: str) -> tuple[str, str]:
        """Return the address at the provider where the browser signs in, and the token of the browser's cookie.

        Raises:
            ProviderAway: the provider cannot be reached.
        """
        _, provider = self._require_provider()
        random = self._sessions.runtime.random_bytes(TOKEN_BYTES)
        token = base64.urlsafe_b64encode(random).rstrip(b"=").decode()
        return await provider.sign_in_address(SignInSecrets(token), redirect_uri), token

    async def complete(
        self,
        code: str,
        token: str,
        redirect_uri: str,
        address: str,
        previous_token: str | None,
        browser: str | None,
    ) -> SignedIn | HalfSignedIn:
        """Open a session for the member whose account signed in at the provider. `token`: of the cookie of `begin`.

        Raises:
            ProviderAway: the provider cannot be reached.
            ProviderRefused: it refused the code, its ID token is not valid, or the account is no active member's.
            TooManySignIns: too many sign-ins from this address failed.
        """
        settings, provider = self._require_provider()
        sessions = self._sessions
        count = await count_provider_sign_in(sessions.database, sessions.runtime, address)
        account = await provider.account_of(code, SignInSecrets(token), redirect_uri)
        member = await self._member_of(account)
        needs_code = settings.second_factor is SecondFactorPolicy.ASK or (
            settings.second_factor is SecondFactorPolicy.AMR and not account.has_several_factors
        )
        return await sessions.sign_in_by_provider(
            member, count, previous_token, browser, needs_code=needs_code
        )

    async def _member_of(self, account: ProviderAccount) -> PasswordRow:
        """Return the active member with this account. At the first sign-in, link the member whom the claim names.

        Raises:
            ProviderRefused: there is none. It is recorded.
        """
        runtime = self._sessions.runtime
        async with self._sessions.database.transaction() as tx:
            member = await _find(tx, account)
            if member is None and account.name is not None and await _link_by_name(tx, runtime, account):
                member = await _find(tx, account)
            if member is not None and member.disabled_at is None:
                return member
            staff_id = None if member is None else member.staff_id
            reason = SignInRefusal.NO_MEMBER if member is None else SignInRefusal.PROVIDER_DISABLED
            await record_refusal(tx, runtime, reason, staff_id)
        log.info("console.sign_in_refused", staff_id=staff_id)
        raise ProviderRefused("no_member", subject=account.subject)


async def _find(tx: Transaction, account: ProviderAccount) -> PasswordRow | None:
    return await tx.fetch_one(sql.member_by_account, issuer=account.issuer, subject=account.subject)


async def _link_by_name(tx: Transaction, runtime: Runtime, account: ProviderAccount) -> bool:
    sent = account.name or ""
    name = stored_name(sent)
    # `stored_name` corrects what people type. The provider's text must need no correction but small letters: an address with
    # wide letters or invisible characters belongs to another account.
    if "\0" in name or name != (sent.lower() if sent.isascii() else sent):
        return False
    staff_id = await tx.fetch_one(
        sql.link, issuer=account.issuer, subject=account.subject, now=runtime.now(), name=name
    )
    if staff_id is None:
        return False
    event = ProviderAccountLinked(staff_id=staff_id)
    await record(tx, event, runtime.now(), partner_id=None, actor=staff_actor(staff_id))
    return True


async def link_account(
    database: Database, runtime: Runtime, name: str, issuer: str, subject: str
) -> member_sql.StaffRow:
    """Link the provider's account to a member, in place of an earlier one.

    Raises:
        ProviderAccountTaken: another member has this account, or the member is disabled.
        StaffUnknown: no member has this name.
    """
    async with database.transaction() as tx:
        member = await staff_in(tx, name)
        await tx.fetch_all(sql.unlink, staff_id=member.staff_id)
        linked = await tx.fetch_one(
            sql.link, issuer=issuer, subject=subject, now=runtime.now(), name=member.name
        )
        if linked is None:
            raise ProviderAccountTaken(name)
        event = ProviderAccountLinked(staff_id=member.staff_id)
        await record(tx, event, runtime.now(), partner_id=None, actor=COMMAND_ACTOR)
    return member


async def unlink_accounts(
    database: Database, runtime: Runtime, name: str, *, actor: str = COMMAND_ACTOR
) -> member_sql.StaffRow:
    """Remove the member's accounts at providers, and sign the member out everywhere.

    Raises:
        StaffUnknown: no member has this name.
    """
    async with database.transaction() as tx:
        member = await staff_in(tx, name)
        if await tx.fetch_all(sql.unlink, staff_id=member.staff_id):
            event = ProviderAccountUnlinked(staff_id=member.staff_id)
            await record(tx, event, runtime.now(), partner_id=None, actor=actor)
        await tx.execute(member_sql.end_sessions, staff_id=member.staff_id)
    return member

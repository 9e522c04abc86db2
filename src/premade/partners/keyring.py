"""Authentication by API key, with a cache of a few seconds."""

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from premade.audit.actors import CONSOLE, key_actor
from premade.http.client_address import counted_address
from premade.partners import api_key
from premade.partners import keyring_sql as sql
from premade.partners.key_lookup import KeyLookup, WrongKeys
from premade.partners.key_networks import is_within
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Forbidden, Unauthenticated
from premade.runtime.single_flight import SingleFlightCache

KEY_CACHE_SECONDS = 2.0
"""A revoked key or a disabled partner works at most this long in a process that knew it."""
KEY_CACHE_ENTRIES_MAX = 10_000
LAST_USED_EVERY_SECONDS = 60
NO_LIMITS: Mapping[str, int] = MappingProxyType({})
KeyFault = Literal["unknown", "revoked", "expired", "partner_disabled"]
"""Reason why a key is refused."""


@dataclass(eq=False)
class ApiKeyMissing(Unauthenticated):
    """The request has no API key."""

    code = "API_KEY_MISSING"

    reason: Literal["missing", "authorization"]


@dataclass(eq=False)
class ApiKeyInvalid(Unauthenticated):
    """The API key is unknown, revoked or expired, or its partner is disabled."""

    code = "API_KEY_INVALID"

    reason: KeyFault


@dataclass(eq=False)
class PermissionMissing(Forbidden):
    """The API key is valid but lacks the permission for this operation."""

    code = "PERMISSION_MISSING"
    published = ("permission",)

    permission: str
    permissions: list[str]
    """Permissions of the key."""


@dataclass(eq=False)
class KeyNetworkRefused(Forbidden):
    """The API key is valid, but does not work from the client's address."""

    code = "KEY_NETWORK_REFUSED"

    address: str


class PartnerKeyNeeded(Forbidden):
    """The API key belongs to the operator."""

    code = "PARTNER_KEY_NEEDED"


@dataclass(frozen=True)
class Caller:
    """The authenticated partner of a request, and the key."""

    key_id: int
    partner_id: int
    channel: str
    is_test: bool = False
    """Whether it is a test partner. Live gates refuse its tickets."""
    first_key_id: int | None = None
    """The first key of the chain of rotations."""
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    """The partner's own limits, by name."""

    @property
    def actor(self) -> str:
        """Return the actor of the audit record."""
        return key_actor(self.key_id)


@dataclass(frozen=True)
class OnBehalf:
    """A member of staff or a command that acts for a partner. `actor`: in the audit record."""

    partner_id: int
    channel: str
    actor: str


@dataclass(frozen=True)
class GateCaller:
    """The authenticated caller of a gate: the key of a partner or the operator, or a member of staff at the gate page.

    A partner's gate sees the partner's tickets. The operator's gate (`partner_id` None) sees all tickets.
    """

    actor: str
    partner_id: int | None
    permissions: frozenset[str]
    key_id: int | None = None
    is_test: bool = False
    """Whether this gate admits test tickets only (test mode), or live tickets only."""
    uploaded_by: str | None = None
    """Actor who uploaded the scan, if somebody else scanned."""
    first_key_id: int | None = None
    """The first key of the chain of rotations."""
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    """The partner's own limits, by name."""

    @property
    def owner(self) -> str:
        """Return the owner of the device. A device_id is unique within an owner. A rotated key keeps its devices.

        All browsers of the console are one owner, because one member of staff may upload the scans of another.
        """
        return CONSOLE if self.key_id is None else key_actor(self.first_key_id or self.key_id)

    @property
    def counted_as(self) -> str:
        """Return the subject of counts: the first key of the chain of rotations, or the member of staff."""
        return self.actor if self.key_id is None else self.owner

    def require(self, permission: str) -> None:
        """Raise PermissionMissing if the key lacks the permission."""
        _require(permission, self.permissions)


class Keyring:
    """API keys by prefix. Each is read from the database at most once in KEY_CACHE_SECONDS."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        self._runtime = runtime
        self._known = SingleFlightCache[str, sql.KeyRow | None](
            self._fetch_one,
            runtime.monotonic_seconds,
            entries_max=KEY_CACHE_ENTRIES_MAX,
            # A revoked key must not live longer because the database is slow.
            join_seconds_max=KEY_CACHE_SECONDS,
        )
        self._key_lookup = KeyLookup(self._fetch, runtime.monotonic_seconds)
        self._wrong = WrongKeys(runtime.monotonic_seconds)

    async def partner_for(self, text: str, permission: str, host: str = "") -> Caller:
        """Return the partner of the key.

        Raises:
            ApiKeyInvalid: the key is unknown, revoked or expired, or its partner is disabled.
            KeyNetworkRefused: the client is in none of the key's networks.
            PermissionMissing: the key lacks the permission.
            PartnerKeyNeeded: it is a key of the operator.
            TooManyWrongKeys: too many wrong keys came from this address.
        """
        key = await self._authentic(text, host)
        _require(permission, key.permissions)
        if key.partner_id is None or key.channel is None:
            raise PartnerKeyNeeded
        return Caller(
            key.key_id, key.partner_id, key.channel, key.is_test, key.first_key_id, key.limits or NO_LIMITS
        )

    async def gate_for(self, text: str, permission: str, host: str = "") -> GateCaller:
        """Return the gate of the key.

        Raises:
            ApiKeyInvalid: the key is unknown, revoked or expired, or its partner is disabled.
            KeyNetworkRefused: the client is in none of the key's networks.
            PermissionMissing: the key lacks the permission.
            TooManyWrongKeys: too many wrong keys came from this address.
        """
        key = await self._authentic(text, host)
        _require(permission, key.permissions)
        return GateCaller(
            key_actor(key.key_id),
            key.partner_id,
            frozenset(key.permissions),
            key.key_id,
            key.is_test,
            first_key_id=key.first_key_id,
            limits=key.limits or NO_LIMITS,
        )

    async def _authentic(self, text: str, host: str) -> sql.KeyRow:
        key = api_key.parse(text)
        known = await self._look_up(key.prefix) if key else None
        if key is None or known is None or not hmac.compare_digest(known.digest, key.digest):
            self._wrong.note(counted_address(host))
            raise ApiKeyInvalid("unknown")
        if reason := _fault(known, self._runtime.now()):
            raise ApiKeyInvalid(reason)
        if known.networks and not is_within(host, tuple(known.networks)):
            raise KeyNetworkRefused(counted_address(host))
        await self._note_use(known)
        return known

    async def _look_up(self, prefix: str) -> sql.KeyRow | None:
        if prefix in self._known:
            return await self._known.get(prefix, KEY_CACHE_SECONDS)
        began_at = self._runtime.monotonic_seconds()
        key = await self._key_lookup.find(prefix)
        if key is not None:
            # Only existing keys are cached: a flood of wrong keys must not push them out.
            self._known.put(prefix, key, began_at)
        return key

    async def _fetch_one(self, prefix: str) -> sql.KeyRow | None:
        return (await self._fetch([prefix])).get(prefix)

    async def _fetch(self, prefixes: Sequence[str]) -> dict[str, sql.KeyRow]:
        async with self._database.single_statement() as tx:
            rows = await tx.fetch_all(sql.keys_by_prefix, prefixes=list(prefixes))
        return {row.prefix: row for row in rows}

    async def _note_use(self, key: sql.KeyRow) -> None:
        now = self._runtime.now()
        if key.last_used_at and now - key.last_used_at < timedelta(seconds=LAST_USED_EVERY_SECONDS):
            return
        key.last_used_at = now
        async with self._database.single_statement() as tx:
            await tx.execute(sql.touch_key, key_id=key.key_id, now=now)


def _fault(key: sql.KeyRow, now: datetime) -> KeyFault | None:
    """Return why the key is refused, or None."""
    if key.revoked_at is not None:
        return "revoked"
    if key.is_over or (key.expires_at is not None and key.expires_at <= now):
        return "expired"
    if key.disabled_at is not None:
        return "partner_disabled"
    return None


def _require(permission: str, permissions: Collection[str]) -> None:
    if permission not in permissions:
        raise PermissionMissing(permission, sorted(permissions))

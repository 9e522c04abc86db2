"""API keys: create, rotate, revoke. The text of a key is returned once and never stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import KeyChanged, KeyCreated, KeyRevoked, KeyRotated
from premade.audit.record import record
from premade.partners import api_key
from premade.partners import keys_sql as sql
from premade.partners.key_networks import checked_networks
from premade.partners.partner import partner_named
from premade.partners.permission import PERMISSIONS
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, FieldError, Invalid, NotFound, RuleBroken
from premade.texts.fields import field_text
from premade.values.texts import cleaned, one_line

LABEL_CHARACTERS_MAX = 100


@dataclass(eq=False)
class KeyUnknown(NotFound):
    """No active API key has this id."""

    code = "KEY_UNKNOWN"

    reason: Literal["unknown", "expired"]
    key_id: int


@dataclass(eq=False)
class KeyAlreadyRotated(Conflict):
    """An API key can be rotated once."""

    code = "KEY_ALREADY_ROTATED"

    key_id: int
    successor: int


class KeyMadeBefore(Conflict):
    """The form has already created an API key."""

    code = "KEY_MADE_BEFORE"


@dataclass(frozen=True)
class CreatedKey:
    """A new API key with its text, which is shown once."""

    id: int
    key: str = field(repr=False)
    permissions: list[str]
    is_test: bool
    expires_at: datetime | None


@dataclass(frozen=True)
class Successor(CreatedKey):
    """A new API key that replaces an old one, which still works for a while."""

    rotated_from: int
    old_key_ends_at: datetime


@dataclass(frozen=True)
class EndedKey:
    """A revoked API key."""

    id: int
    revoked_at: datetime | None


@dataclass(frozen=True)
class _NewKey:
    """A new row of api_keys, without the key itself."""

    permissions: list[str]
    is_test: bool
    expires_at: datetime | None
    partner_id: int | None = None
    rotated_from: int | None = None
    first_key_id: int | None = None
    once: str | None = None
    label: str = ""
    networks: list[str] = field(default_factory=list[str])


async def create_key(  # noqa: PLR0913  (a key has that many properties)
    database: Database,
    runtime: Runtime,
    *,
    partner: str | None,
    permissions: list[str],
    is_test: bool = False,
    expires_at: datetime | None = None,
    once: str | None = None,
    label: str = "",
    networks: Sequence[str] = (),
    actor: str = COMMAND_ACTOR,
) -> CreatedKey:
    """Create a key of the partner with this name, or of the operator (None).

    `is_test`: an operator's key that admits test tickets only. A key of a test partner is always a test key.
    `once`: identifies the request; a second request with the same value creates no key.
    `label`: what the key is for. `networks`: addresses and networks from which it works; none: from everywhere.

    Raises:
        Invalid: an unknown permission, an expiry in the past, a malformed label or network, or `is_test` for a partner's key.
        PartnerUnknown: no partner has this name.
        KeyMadeBefore: a request with the same `once` created a key.
    """
    _check(permissions, expires_at, runtime.now())
    if is_test and partner is not None:
        raise Invalid([FieldError("test", field_text("partner.test_key"))])
    new = _NewKey(
        permissions=sorted(set(permissions)),
        is_test=is_test,
        expires_at=expires_at,
        once=once,
        label=checked_label(label),
        networks=checked_networks(networks),
    )
    try:
        return await _create(database, runtime, partner, new, actor)
    except RuleBroken as broken:
        if broken.rule != "api_key_made_once":
            raise
        raise KeyMadeBefore from None


async def _create(
    database: Database,
    runtime: Runtime,
    partner: str | None,
    new: _NewKey,
    actor: str,
) -> CreatedKey:
    async with database.transaction() as tx:
        owner = await partner_named(tx, partner) if partner is not None else None
        if owner:
            new = replace(new, partner_id=owner.partner_id, is_test=owner.is_test)
        created = await _insert(tx, runtime, new)
        await record(
            tx,
            KeyCreated(
                key_id=created.id,
                permissions=created.permissions,
                label=new.label or None,
                networks=new.networks or None,
            ),
            runtime.now(),
            partner_id=owner.partner_id if owner else None,
            actor=actor,
        )
    return created


def _check(permissions: list[str], expires_at: datetime | None, now: datetime) -> None:
    names = ", ".join(PERMISSIONS)
    errors = [
        FieldError("permission", field_text("partner.permission_unknown", name=name, known=names))
        for name in permissions
        if name not in PERMISSIONS
    ]
    if not permissions:
        errors.append(FieldError("permission", field_text("partner.permission_missing", known=names)))
    if expires_at is not None and expires_at <= now:
        errors.append(FieldError("expires", field_text("general.in_the_future")))
    if errors:
        raise Invalid(errors)


async def _insert(tx: Transaction, runtime: Runtime, new: _NewKey) -> CreatedKey:
    key = api_key.mint(is_test=new.is_test, random_bytes=runtime.random_bytes)
    key_id = await tx.fetch_one(
        sql.insert_key,
        **vars(new),
        prefix=key.prefix,
        digest=key.digest,
        now=runtime.now(),
    )
    assert key_id is not None
    return CreatedKey(key_id, key.text, new.permissions, new.is_test, new.expires_at)


async def rotate_key(
    database: Database, runtime: Runtime, key_id: int, overlap: timedelta, *, actor: str = COMMAND_ACTOR
) -> Successor:
    """Create a second key with the same permissions. The first ends after `overlap`.

    Raises:
        KeyUnknown: there is no such key, or it was revoked or has expired.
        KeyAlreadyRotated: the key has a successor.
    """
    async with database.transaction() as tx:
        old = await tx.fetch_one(sql.key_to_rotate, key_id=key_id)
        if old is None:
            raise KeyUnknown("unknown", key_id)
        if old.successor is not None:
            raise KeyAlreadyRotated(key_id, old.successor)
        now = runtime.now()
        # A key that has ended must not get a successor that works.
        if old.expires_at is not None and old.expires_at <= now:
            raise KeyUnknown("expired", key_id)
        created = await _insert(
            tx,
            runtime,
            _NewKey(
                partner_id=old.partner_id,
                is_test=old.is_test,
                permissions=old.permissions,
                expires_at=old.expires_at,
                rotated_from=key_id,
                first_key_id=old.first_key_id,
                label=old.label,
                networks=old.networks,
            ),
        )
        ends_at = await tx.fetch_one(sql.end_key, key_id=key_id, now=now, overlap=overlap)
        assert ends_at is not None
        event = KeyRotated(
            key_id=created.id, rotated_from=key_id, overlap_seconds=int(overlap.total_seconds())
        )
        await record(tx, event, now, partner_id=old.partner_id, actor=actor)
    return Successor(**vars(created), rotated_from=key_id, old_key_ends_at=ends_at)


async def revoke_key(
    database: Database, runtime: Runtime, key_id: int, *, actor: str = COMMAND_ACTOR
) -> EndedKey:
    """Revoke a key: every process refuses it within seconds. Idempotent.

    Raises:
        KeyUnknown: there is no such key.
    """
    async with database.transaction() as tx:
        now = runtime.now()
        revoked = await tx.fetch_one(sql.revoke_key, key_id=key_id, now=now)
        if revoked is None:
            raise KeyUnknown("unknown", key_id)
        if revoked.revoked_at == now:
            event = KeyRevoked(key_id=key_id)
            await record(tx, event, now, partner_id=revoked.partner_id, actor=actor)
    return EndedKey(key_id, revoked.revoked_at)


def checked_label(text: str) -> str:
    """Return a label as it is stored: "" for none.

    Raises:
        Invalid: for the field `label`.
    """
    if not cleaned(text):
        return ""
    try:
        return one_line(text, LABEL_CHARACTERS_MAX)
    except ValueError as error:
        raise Invalid([FieldError("label", str(error))]) from None


async def change_key(
    database: Database,
    runtime: Runtime,
    key_id: int,
    *,
    label: str,
    networks: Sequence[str],
    actor: str = COMMAND_ACTOR,
) -> sql.ChangedKey:
    """Set the label and the networks of a key. Every process knows them within seconds.

    Raises:
        Invalid: the label or a network is malformed.
        KeyUnknown: there is no such key, or it was revoked.
    """
    label, networks = checked_label(label), checked_networks(networks)
    async with database.transaction() as tx:
        changed = await tx.fetch_one(sql.change_key, key_id=key_id, label=label, networks=networks)
        if changed is None:
            raise KeyUnknown("unknown", key_id)
        event = KeyChanged(key_id=key_id, label=label, networks=networks)
        await record(tx, event, runtime.now(), partner_id=changed.partner_id, actor=actor)
    return changed


async def list_keys(database: Database) -> list[sql.ListedKey]:
    """Return all keys, without secrets."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.list_keys)


async def keys_of(database: Database, partner_id: int | None) -> list[sql.KeyOfPartner]:
    """Return the keys of a partner, or of the operator (None), newest first."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.keys_of, partner_id=partner_id)


async def key_of(database: Database, key_id: int) -> sql.KeyDetails:
    """Return the key and its partner.

    Raises:
        KeyUnknown: there is no such key.
    """
    async with database.single_statement() as tx:
        key = await tx.fetch_one(sql.key_by_id, key_id=key_id)
    if key is None:
        raise KeyUnknown("unknown", key_id)
    return key

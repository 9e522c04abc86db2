"""API keys: making, rotating, revoking. The key itself is answered once and never kept."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import KeyCreated, KeyRevoked, KeyRotated
from premade.audit.record import record
from premade.partners import api_key
from premade.partners import keys_sql as sql
from premade.partners.partner import partner_named
from premade.partners.permission import PERMISSIONS
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, FieldError, Invalid, NotFound, RuleBroken
from premade.texts.fields import field_text


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
class _NewKey:
    """A new row of api_keys, without the key itself."""

    permissions: list[str]
    is_test: bool
    expires_at: datetime | None
    partner_id: int | None = None
    rotated_from: int | None = None
    first_key_id: int | None = None
    once: str | None = None


async def create_key(
    database: Database,
    runtime: Runtime,
    *,
    partner: str | None,
    permissions: list[str],
    is_test: bool = False,
    expires_at: datetime | None = None,
    once: str | None = None,
    actor: str = COMMAND_ACTOR,
) -> dict[str, Any]:
    """A new key of the partner named so, or of the operator (None). Invalid for an unknown permission.

    `is_test`: an operator's key that admits test tickets only; a partner's key is for tests where its partner is.
    `once`: what makes a repetition one; KeyMadeBefore when it made a key before.
    """
    _check(permissions, expires_at, runtime.now())
    if is_test and partner is not None:
        raise Invalid([FieldError("test", field_text("partner.test_key"))])
    new = _NewKey(permissions=sorted(set(permissions)), is_test=is_test, expires_at=expires_at, once=once)
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
) -> dict[str, Any]:
    async with database.transaction() as tx:
        found = await partner_named(tx, partner) if partner is not None else None
        if found:
            new = replace(new, partner_id=found.partner_id, is_test=found.is_test)
        made = await _insert(tx, runtime, new)
        await record(
            tx,
            KeyCreated(key_id=made["id"], permissions=made["permissions"]),
            runtime.now(),
            partner_id=found.partner_id if found else None,
            actor=actor,
        )
    return made


def _check(permissions: list[str], expires_at: datetime | None, now: datetime) -> None:
    known = ", ".join(PERMISSIONS)
    errors = [
        FieldError("permission", field_text("partner.permission_unknown", name=name, known=known))
        for name in permissions
        if name not in PERMISSIONS
    ]
    if not permissions:
        errors.append(FieldError("permission", field_text("partner.permission_missing", known=known)))
    if expires_at is not None and expires_at <= now:
        errors.append(FieldError("expires", field_text("general.in_the_future")))
    if errors:
        raise Invalid(errors)


async def _insert(tx: Transaction, runtime: Runtime, new: _NewKey) -> dict[str, Any]:
    key = api_key.mint(is_test=new.is_test, random_bytes=runtime.random_bytes)
    key_id = await tx.fetch_one(
        sql.insert_key, **vars(new), prefix=key.prefix, digest=key.digest, now=runtime.now()
    )
    assert key_id is not None
    return {
        "id": key_id,
        "key": key.text,
        "permissions": new.permissions,
        "is_test": new.is_test,
        "expires_at": new.expires_at,
    }


async def rotate_key(
    database: Database, runtime: Runtime, key_id: int, overlap: timedelta, *, actor: str = COMMAND_ACTOR
) -> dict[str, Any]:
    """A second key with the same permissions; the first ends after `overlap`. KeyUnknown when revoked."""
    async with database.transaction() as tx:
        old = await tx.fetch_one(sql.key_to_rotate, key_id=key_id)
        if old is None:
            raise KeyUnknown("unknown", key_id)
        if old.successor is not None:
            raise KeyAlreadyRotated(key_id, old.successor)
        now = runtime.now()
        # Revoked or past its end, it must not come to life again as a new one.
        if old.expires_at is not None and old.expires_at <= now:
            raise KeyUnknown("expired", key_id)
        made = await _insert(
            tx,
            runtime,
            _NewKey(
                partner_id=old.partner_id,
                is_test=old.is_test,
                permissions=old.permissions,
                expires_at=old.expires_at,
                rotated_from=key_id,
                first_key_id=old.first_key_id,
            ),
        )
        ends_at = await tx.fetch_one(sql.end_key, key_id=key_id, now=now, overlap=overlap)
        assert ends_at is not None
        event = KeyRotated(
            key_id=made["id"], rotated_from=key_id, overlap_seconds=int(overlap.total_seconds())
        )
        await record(tx, event, now, partner_id=old.partner_id, actor=actor)
    return {**made, "rotated_from": key_id, "old_key_ends_at": ends_at}


async def revoke_key(
    database: Database, runtime: Runtime, key_id: int, *, actor: str = COMMAND_ACTOR
) -> dict[str, Any]:
    """Ends a key now, in every process within seconds. Revoking twice is the same as once."""
    async with database.transaction() as tx:
        now = runtime.now()
        revoked = await tx.fetch_one(sql.revoke_key, key_id=key_id, now=now)
        if revoked is None:
            raise KeyUnknown("unknown", key_id)
        if revoked.revoked_at == now:
            event = KeyRevoked(key_id=key_id)
            await record(tx, event, now, partner_id=revoked.partner_id, actor=actor)
    return {"id": key_id, "revoked_at": revoked.revoked_at}


async def list_keys(database: Database) -> list[sql.ListedKey]:
    """All keys, without what would let anybody use them."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.list_keys)


async def keys_of(database: Database, partner_id: int | None) -> list[sql.KeyOfPartner]:
    """The partner's, or the operator's own (None), newest first."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.keys_of, partner_id=partner_id)


async def key_of(database: Database, key_id: int) -> sql.KeyDetails:
    """The key, as `keys_of` has it, with whose it is. KeyUnknown."""
    async with database.single_statement() as tx:
        found = await tx.fetch_one(sql.key_by_id, key_id=key_id)
    if found is None:
        raise KeyUnknown("unknown", key_id)
    return found

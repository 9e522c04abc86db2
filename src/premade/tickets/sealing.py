"""Seal the seeds of the signing keys with the current master key (ADR 54)."""

from collections.abc import Callable
from dataclasses import dataclass

from premade.audit.events import SigningKeysSealed
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.postgres.removals import versions_before
from premade.runtime.clock import Runtime
from premade.runtime.errors import CommandError
from premade.runtime.logging import log
from premade.runtime.master_keys import CannotUnseal, MasterKeyMissing, MasterKeys
from premade.tickets import signing_sql as sql
from premade.tickets.signing import seal_subject

FIRST_THAT_UNSEALS = (0, 3, 0)
"""The first version that uses a sealed seed."""


class SeedsNotSealed(CommandError):
    """The seeds of the signing keys cannot be sealed now."""

    code = "SEEDS_NOT_SEALED"


@dataclass(frozen=True)
class SealedKeys:
    """Ids of signing keys: those whose seed was plain, those that an earlier master key had sealed, and the unchanged ones."""

    sealed: list[str]
    resealed: list[str]
    unchanged: list[str]


async def seal_signing_keys(
    database: Database, runtime: Runtime, create_master_key: Callable[[], object] = lambda: None
) -> SealedKeys:
    """Seal all seeds with the current master key. `create_master_key` is called if no seed is sealed yet.

    Raises:
        MasterKeyMissing: there is no master key.
        SeedsNotSealed: a process of a version is connected that cannot use them, or a seed cannot be opened.
    """
    async with database.transaction() as tx:
        await tx.execute(sql.lock_signing_keys)
        if older := versions_before(FIRST_THAT_UNSEALS, await tx.fetch_all(sql.connected_names)):
            raise SeedsNotSealed("older_connected", processes="; ".join(older))
        rows = await tx.fetch_all(sql.keys_by_age)
        if all(row.sealed_seed is None for row in rows):
            create_master_key()
        master_keys = runtime.master_keys()
        if unopened := [row.key_id for row in rows if not _opens(master_keys, row)]:
            raise SeedsNotSealed("cannot_open", key_ids=", ".join(unopened))
        plain = [row for row in rows if row.sealed_seed is None]
        earlier = [
            row for row in rows if row.sealed_seed is not None and not master_keys.is_current(row.sealed_seed)
        ]
        for row in plain + earlier:
            await _seal(tx, master_keys, row)
        changed = [row.key_id for row in plain + earlier]
        if changed:
            await record(tx, SigningKeysSealed(signing_key_ids=changed), runtime.now(), partner_id=None)
    return SealedKeys(
        [row.key_id for row in plain],
        [row.key_id for row in earlier],
        [row.key_id for row in rows if row.key_id not in changed],
    )


async def unopened_keys(database: Database, runtime: Runtime) -> list[str]:
    """Return the ids of the signing keys that no master key of this process opens."""
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(sql.keys_by_age)
    try:
        master_keys = runtime.master_keys() if any(row.sealed_seed for row in rows) else None
    except MasterKeyMissing:
        return [row.key_id for row in rows if row.sealed_seed is not None]
    return [row.key_id for row in rows if master_keys is not None and not _opens(master_keys, row)]


async def report_unopened_keys(database: Database, runtime: Runtime) -> None:
    """Log an error if no master key of this process opens a signing key."""
    if key_ids := await unopened_keys(database, runtime):
        log.error(
            "signing_keys.cannot_open",
            signing_key_ids=key_ids,
            does="the service serves everything but what signs tickets",
            remedy="give it the master key, see 'premade doctor'",
        )


def _opens(master_keys: MasterKeys, row: sql.SigningKeyRow) -> bool:
    try:
        return row.sealed_seed is None or bool(master_keys.unseal(row.sealed_seed, seal_subject(row.key_id)))
    except CannotUnseal:
        return False


async def _seal(tx: Transaction, master_keys: MasterKeys, row: sql.SigningKeyRow) -> None:
    subject = seal_subject(row.key_id)
    seed = row.seed if row.sealed_seed is None else master_keys.unseal(row.sealed_seed, subject)
    assert seed is not None
    await tx.execute(sql.set_sealed_seed, key_id=row.key_id, sealed_seed=master_keys.seal(seed, subject))

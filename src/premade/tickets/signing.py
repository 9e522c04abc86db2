"""Signing keys of QR tokens, and their public halves."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from nacl.signing import SigningKey

from premade.audit.events import SigningKeyAdded, SigningKeyRetired
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, Exhausted, NotFound, Unavailable
from premade.runtime.master_keys import CannotUnseal, MasterKeyMissing
from premade.runtime.single_flight import SingleFlightCache
from premade.tickets import signing_sql as sql
from premade.tickets.code import (
    Signer,
    Token,
    is_test_key,
    key_letter,
    read_token,
    split_token,
    ticket_code,
)

SIGNER_CACHE_SECONDS = 30.0
VERIFIER_CACHE_SECONDS = 5.0
"""Maximum time in which a process still accepts tokens of a retired key."""
VERIFIER_LOOKS_APART_SECONDS = 0.5
"""Minimum time between two reads because of an unknown key, which may be a new one."""
RETIRE_AFTER_SECONDS = 60
"""After this time every process signs with the next key, and transactions with the previous one are committed."""
KEYS_MAX = 999
"""Maximum number of keys of each kind, live and test."""
KEY_NUMBERS_SKIPPED_MAX = 16
"""Maximum number of key numbers skipped after a restore."""
SIGNERS_KEPT_MAX = 10_000
"""Maximum number of partners whose current key a process caches."""
_SEED_BYTES = 32


@dataclass(eq=False)
class SigningKeyMissing(Unavailable):
    """The service has no key to sign QR tokens."""

    code = "SIGNING_KEY_MISSING"

    reason: Literal["none", "gone", "sealed"]
    key_id: str = ""


@dataclass(eq=False)
class SigningKeyUnknown(NotFound):
    """No signing key has this id."""

    code = "SIGNING_KEY_UNKNOWN"

    key_id: str


@dataclass(eq=False)
class SigningKeyInUse(Conflict):
    """The key signs new tokens, or did so a moment ago."""

    code = "SIGNING_KEY_IN_USE"

    reason: Literal["current", "current_test", "recent"]
    key_id: str
    seconds: int = 0
    """How long ago the next key must have been added."""


@dataclass(eq=False)
class SigningKeysExhausted(Exhausted):
    """A token has room for three digits of its key's number, and all numbers are used."""

    code = "SIGNING_KEYS_EXHAUSTED"

    key_id: str
    """Id of the last key."""


def seal_subject(key_id: str) -> str:
    """Return what a sealed seed is bound to."""
    return f"premade signing key {key_id}"


@dataclass(frozen=True)
class PublicKey:
    """The public half of a signing key. The current key of each kind, live and test, signs new tokens."""

    key_id: str
    public_key: bytes
    created_at: datetime
    retired_at: datetime | None
    is_current: bool
    is_sealed: bool
    """Whether the database stores the private half encrypted."""

    @property
    def is_test(self) -> bool:
        """Return whether it signs only tickets of test partners."""
        return is_test_key(self.key_id)


async def ensure_signing_keys(
    database: Database, runtime: Runtime, create_master_key: Callable[[], object] = lambda: None
) -> None:
    """Add the first live key and the first test key if they are missing.

    `create_master_key` is called if the database has no key: a master key that is created later could not open the others.
    """
    async with database.transaction() as tx:
        await tx.execute(sql.lock_signing_keys)
        listed = await _listed(tx)
        if not listed:
            create_master_key()
        current = {key.is_test for key in listed if key.is_current}
        for is_test in (False, True):
            if is_test not in current:
                await _add_key(tx, runtime, is_test=is_test)


async def rotate_signing_key(database: Database, runtime: Runtime, *, is_test: bool = False) -> PublicKey:
    """Add a key that signs new live tickets, or new test tickets, in every process within SIGNER_CACHE_SECONDS.

    Tokens of the older keys stay valid.
    """
    async with database.transaction() as tx:
        await tx.execute(sql.lock_signing_keys)
        return await _add_key(tx, runtime, is_test=is_test)


async def add_keys_after_restore(tx: Transaction, runtime: Runtime) -> list[str]:
    """Add a new live and a new test key, if there was one before and numbers are left. Return their ids.

    Without a master key none is added, and sales go on: rotate the keys when it is there.

    The database may have forgotten keys that have signed tokens. A new key must not get the id of such a key, so a random
    number of ids is skipped.
    """
    await tx.execute(sql.lock_signing_keys)
    added: list[str] = []
    for key in await _listed(tx):
        if key.is_current:
            skip = runtime.random_bytes(1)[0] % KEY_NUMBERS_SKIPPED_MAX
            with suppress(SigningKeysExhausted, MasterKeyMissing):
                added.append((await _add_key(tx, runtime, is_test=key.is_test, skip=skip)).key_id)
    return added


async def _add_key(tx: Transaction, runtime: Runtime, *, is_test: bool, skip: int = 0) -> PublicKey:
    letter = key_letter(is_test=is_test)
    keys = await tx.fetch_all(sql.list_keys)
    key_ids = [key.key_id for key in keys]
    number = max((int(key_id[1:]) for key_id in key_ids if key_id.startswith(letter)), default=0) + 1
    if number > KEYS_MAX:
        last = f"{letter}{KEYS_MAX}"
        raise SigningKeysExhausted(last)
    number = min(number + skip, KEYS_MAX)
    key_id, now, seed = f"{letter}{number}", runtime.now(), runtime.random_bytes(_SEED_BYTES)
    public_key = SigningKey(seed).verify_key.encode()
    # As long as an earlier seed is plain, processes of version 0.2.0 may run, and could not use a sealed one.
    is_sealed = all(key.is_sealed for key in keys)
    await tx.execute(
        sql.add_key,
        key_id=key_id,
        seed=None if is_sealed else seed,
        sealed_seed=runtime.master_keys().seal(seed, seal_subject(key_id)) if is_sealed else None,
        public_key=public_key,
        now=now,
    )
    await record(tx, SigningKeyAdded(signing_key_id=key_id), now, partner_id=None)
    return PublicKey(key_id, public_key, now, retired_at=None, is_current=True, is_sealed=is_sealed)


async def list_signing_keys(database: Database) -> list[PublicKey]:
    """Return the public halves of all keys, oldest first."""
    async with database.single_statement() as tx:
        return await _listed(tx)


async def _listed(tx: Transaction) -> list[PublicKey]:
    rows = await tx.fetch_all(sql.list_keys)
    # Rows are ordered by number, so the last of each kind wins.
    current = {is_test_key(row.key_id): row.key_id for row in rows if row.retired_at is None}
    return [
        PublicKey(
            row.key_id,
            row.public_key,
            row.created_at,
            row.retired_at,
            is_current=row.key_id in current.values(),
            is_sealed=row.is_sealed,
        )
        for row in rows
    ]


async def is_key_sound(database: Database, runtime: Runtime, key: PublicKey) -> bool:
    """Sign with the stored private half, and return whether the public half verifies the signature.

    Raises:
        SigningKeyMissing: no master key opens it.
    """
    signer = await Signers(database, runtime).by_id(key.key_id)
    token = signer.token(ticket_code("CHECK", 2000, "KEY", 0), 1)
    return read_token(token, {key.key_id: key.public_key}) is not None


async def tickets_with_tokens_of(database: Database, key_id: str) -> sql.TokenCount:
    """Count the unused and active tickets that no gate admits after the key is retired. Reads all tickets."""
    async with database.long_read(whole_tables=True) as read:
        counted = await read.fetch_one(sql.tickets_with_tokens_of, key_id=key_id)
    assert counted is not None
    return counted


@dataclass(frozen=True)
class RetiredKey:
    """A retired signing key."""

    key_id: str
    retired_at: datetime


async def retire_signing_key(database: Database, runtime: Runtime, key_id: str) -> RetiredKey:
    """Retire the key: gates refuse its tokens as soon as they know. Retiring a retired key has no effect.

    Raises:
        SigningKeyUnknown: no key has this id.
        SigningKeyInUse: a process may sign with it.
    """
    async with database.transaction() as tx:
        await tx.execute(sql.lock_signing_keys)
        now = runtime.now()
        key = retirable(await _listed(tx), key_id, now)
        if key.retired_at is not None:
            return RetiredKey(key_id, key.retired_at)
        await tx.execute(sql.retire_key, key_id=key_id, now=now)
        await record(tx, SigningKeyRetired(signing_key_id=key_id), now, partner_id=None)
    return RetiredKey(key_id, now)


def retirable(keys: list[PublicKey], key_id: str, now: datetime) -> PublicKey:
    """Return the key if it can be retired.

    Raises:
        SigningKeyUnknown: no key has this id.
        SigningKeyInUse: a process may sign with it.
    """
    key = next((key for key in keys if key.key_id == key_id), None)
    if key is None:
        raise SigningKeyUnknown(key_id)
    of_kind = [other for other in keys if other.is_test == key.is_test]
    later = of_kind[of_kind.index(key) + 1 :]
    if key.is_current:
        raise SigningKeyInUse("current_test" if key.is_test else "current", key_id)
    if key.retired_at is None and later[0].created_at > now - timedelta(seconds=RETIRE_AFTER_SECONDS):
        raise SigningKeyInUse("recent", key_id, RETIRE_AFTER_SECONDS)
    return key


class Signers:
    """The current signing keys, read from the database at most once in SIGNER_CACHE_SECONDS."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        self._runtime = runtime
        self._current: dict[int, tuple[float, UUID | None, Signer]] = {}
        self._opened: dict[bytes, Signer] = {}
        """The signers of sealed seeds. Opening one reads the settings and a file."""
        self._unopened_at: dict[bytes, float] = {}
        """When no master key opened a sealed seed."""

    async def current(self, partner_id: int, incarnation_id: UUID | None) -> Signer:
        """Return the newest key that is not retired and signs the tickets of this partner, live or test.

        A cached key is used only within the same incarnation of the database.

        Raises:
            SigningKeyMissing: there is no such key.
        """
        now = self._runtime.monotonic_seconds()
        cached = self._current.get(partner_id)
        if cached is not None and now - cached[0] < SIGNER_CACHE_SECONDS and cached[1] == incarnation_id:
            return cached[2]
        signer = await self._fetch(partner_id)
        if len(self._current) >= SIGNERS_KEPT_MAX:
            self._current.clear()
        self._current[partner_id] = (now, incarnation_id, signer)
        return signer

    async def by_id(self, key_id: str) -> Signer:
        """Return the key that signed an earlier token, retired or not, to sign the same token again.

        It is not cached: after a restore, another key may have the same id.

        Raises:
            SigningKeyMissing: no key has this id, or no master key opens it.
        """
        async with self._database.single_statement() as tx:
            row = await tx.fetch_one(sql.key_by_id, key_id=key_id)
        if row is None:
            raise SigningKeyMissing("gone", key_id)
        return self._signer(row)

    async def oldest(self) -> Signer:
        """Return the oldest live key, retired or not, that a master key opens.

        Raises:
            SigningKeyMissing: there is none.
        """
        async with self._database.single_statement() as tx:
            rows = await tx.fetch_all(sql.keys_by_age)
        for row in rows:
            with suppress(SigningKeyMissing):
                return self._signer(row)
        raise SigningKeyMissing("none")

    async def _fetch(self, partner_id: int) -> Signer:
        async with self._database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.current_key,
                partner_id=partner_id,
                live_letter=key_letter(is_test=False),
                test_letter=key_letter(is_test=True),
            )
        if row is None:
            raise SigningKeyMissing("none")
        return self._signer(row)

    def _signer(self, row: sql.SigningKeyRow) -> Signer:
        if row.sealed_seed is None:
            assert row.seed is not None
            return Signer.of(row.key_id, row.seed)
        signer = self._opened.get(row.sealed_seed)
        if signer is None:
            now = self._runtime.monotonic_seconds()
            if now - self._unopened_at.get(row.sealed_seed, -math.inf) < SIGNER_CACHE_SECONDS:
                raise SigningKeyMissing("sealed", row.key_id)
            try:
                seed = self._runtime.master_keys().unseal(row.sealed_seed, seal_subject(row.key_id))
            except (CannotUnseal, MasterKeyMissing):
                self._unopened_at[row.sealed_seed] = now
                raise SigningKeyMissing("sealed", row.key_id) from None
            signer = self._opened[row.sealed_seed] = Signer.of(row.key_id, seed)
        return signer


@dataclass(frozen=True)
class Verified:
    """A token with a valid signature; `is_retired`: its key is retired."""

    token: Token
    is_retired: bool


@dataclass(frozen=True)
class _KnownKeys:
    """All signing keys at one time."""

    listed: list[PublicKey]
    by_id: dict[str, bytes]
    retired: frozenset[str]

    @staticmethod
    def of(listed: list[PublicKey]) -> "_KnownKeys":
        """Return the keys, prepared for verifying."""
        retired = frozenset(key.key_id for key in listed if key.retired_at is not None)
        return _KnownKeys(listed, {key.key_id: key.public_key for key in listed}, retired)


class Verifiers:
    """The public halves of all keys, read from the database at most once in VERIFIER_CACHE_SECONDS."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        # While the database does not respond, all waiting requests share one fetch and its error.
        self._keys = SingleFlightCache[None, _KnownKeys](self._fetch, runtime.monotonic_seconds)

    async def read(self, text: str) -> Verified | None:
        """Return what the token says, or None if no key of this service signed it."""
        claimed = split_token(text)
        if claimed is None:
            return None
        keys_in_memory = self._keys.peek(None)
        is_known = keys_in_memory is not None and claimed.key_id in keys_in_memory.by_id
        keys = await self._keys.get(
            None, VERIFIER_CACHE_SECONDS if is_known else VERIFIER_LOOKS_APART_SECONDS
        )
        token = read_token(text, keys.by_id)
        return token and Verified(token, token.key_id in keys.retired)

    async def public_keys(self) -> list[PublicKey]:
        """Return the keys that are not retired, oldest first."""
        keys = await self._keys.get(None, VERIFIER_CACHE_SECONDS)
        return [key for key in keys.listed if key.retired_at is None]

    async def _fetch(self, _: None) -> _KnownKeys:
        return _KnownKeys.of(await list_signing_keys(self._database))

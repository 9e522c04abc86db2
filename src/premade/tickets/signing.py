"""The keys that sign QR tokens, and those that verify them."""

import asyncio
from dataclasses import dataclass

from nacl.signing import SigningKey

from premade.base import statements
from premade.base.errors import Unavailable
from premade.base.work import Database
from premade.base.world import World
from premade.tickets.code import Signer, Token, key_named_in, read_token

sql = statements.load(__file__)

SIGNER_CACHE_SECONDS = 30.0
VERIFIER_CACHE_SECONDS = 5.0
"""A key that is retired verifies at most this long in a process that knew it."""
VERIFIER_LOOKS_APART_SECONDS = 0.5
"""For a key that is not known, which may be a new one."""
_SEED_BYTES = 32


class SigningKeyMissing(Unavailable):
    """The service has no key to sign QR tokens with."""

    code = "SIGNING_KEY_MISSING"
    title = "No key signs QR tokens"
    remedy = "The operator runs 'premade migrate'; then try again."


async def ensure_signing_key(database: Database, world: World) -> None:
    """Make the first key where there is none."""
    async with database.transaction() as work:
        await work.all(sql.lock_signing_keys)
        if await work.one(sql.current_key) is None:
            seed = world.random_bytes(_SEED_BYTES)
            public_key = SigningKey(seed).verify_key.encode()
            await work.all(sql.add_key, seed=seed, public_key=public_key, now=world.now())


class Signers:
    """The keys: that in force is asked from the database at most once in SIGNER_CACHE_SECONDS, others once."""

    def __init__(self, database: Database, world: World) -> None:
        self._database = database
        self._world = world
        self._current: tuple[float, Signer] | None = None
        self._by_id: dict[str, Signer] = {}

    async def current(self) -> Signer:
        """The newest key that is not retired. SigningKeyMissing when there is none."""
        now = self._world.monotonic_seconds()
        if self._current is None or now - self._current[0] >= SIGNER_CACHE_SECONDS:
            self._current = (now, await self._fetch())
        return self._current[1]

    async def by_id(self, key_id: str) -> Signer:
        """The key that signed a token once, retired or not: to sign the same again."""
        if key_id not in self._by_id:
            async with self._database.single_statement() as work:
                row = await work.one(sql.key_by_id, key_id=key_id)
            if row is None:
                message = f"The key {key_id} that signed this is not there any more."
                raise SigningKeyMissing(message)
            self._by_id[key_id] = Signer.of(row["key_id"], row["seed"])
        return self._by_id[key_id]

    async def _fetch(self) -> Signer:
        async with self._database.single_statement() as work:
            row = await work.one(sql.current_key)
        if row is None:
            message = "There is no key to sign QR tokens with; 'premade migrate' makes the first."
            raise SigningKeyMissing(message)
        return Signer.of(row["key_id"], row["seed"])


@dataclass(frozen=True)
class Verified:
    """A token whose signature holds; `is_retired` when its key counts no more."""

    token: Token
    is_retired: bool


class Verifiers:
    """The public halves of all keys, asked from the database at most once in VERIFIER_CACHE_SECONDS."""

    def __init__(self, database: Database, world: World) -> None:
        self._database = database
        self._world = world
        self._asked_at = -VERIFIER_CACHE_SECONDS
        self._public_keys: dict[str, bytes] = {}
        self._retired: frozenset[str] = frozenset()
        self._one_at_a_time = asyncio.Lock()

    async def read(self, text: str) -> Verified | None:
        """What the token says, or None when no key of this service signed it."""
        key_id = key_named_in(text)
        if key_id is None:
            return None
        is_known = key_id in self._public_keys
        await self._refresh(VERIFIER_CACHE_SECONDS if is_known else VERIFIER_LOOKS_APART_SECONDS)
        token = read_token(text, self._public_keys)
        return token and Verified(token, token.key_id in self._retired)

    async def _refresh(self, age_max: float) -> None:
        if self._world.monotonic_seconds() - self._asked_at < age_max:
            return
        async with self._one_at_a_time:
            now = self._world.monotonic_seconds()
            if now - self._asked_at < age_max:
                return
            async with self._database.single_statement() as work:
                rows = await work.all(sql.verifying_keys)
            self._public_keys = {row["key_id"]: row["public_key"] for row in rows}
            self._retired = frozenset(row["key_id"] for row in rows if row["is_retired"])
            self._asked_at = now

"""Tokens that a restore has forgotten are not made again."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.lives import WORLD, confirm, dump, load, till
from support.postgres import empty_database, own_database
from support.shop import Seller, Shop

from premade.generation.batch_request import BatchRequest
from premade.generation.large import BatchProgress, LargeBatches
from premade.partners.keyring import Caller, OnBehalf
from premade.postgres.database import open_database
from premade.reissue.reissue import Reissuer, ReissueRequest
from premade.tickets.code import read_token
from premade.tickets.signing import PublicKey, Signers, list_signing_keys


@pytest.mark.nightly
def test_what_is_left_of_a_large_batch_is_signed_with_the_new_key(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as first, empty_database(dsn) as second:
        shop = till(first)
        begin_batch(first, shop.seller, "BATCH-L", 1000)
        make_half(first, shop.seller, "BATCH-L")
        dump(first, tmp_path / "dump")
        lost = go_on(first, shop.seller, "BATCH-L")
        load(second, tmp_path / "dump")
        confirm(second)

        after = go_on(second, shop.seller, "BATCH-L")

        assert (len(lost), len(after)) == (1000, 1000)
        kept = set(lost) & set(after)
        assert len(kept) == 500
        codes = [token.split(":")[1] for token in [*(set(lost) - kept), *(set(after) - kept)]]
        assert len(set(codes)) == len(codes)
        assert {token.split(":")[3] for token in set(after) - kept}.isdisjoint(
            token.split(":")[3] for token in lost
        )
        keys = {key.key_id: key.public_key for key in keys_of(second)}
        assert all(read_token(token, keys) for token in after)


def keys_of(dsn: str) -> list[PublicKey]:
    return Shop(dsn, "http://nowhere").operate(lambda database, _: list_signing_keys(database))


def whose(seller: Seller) -> OnBehalf:
    return OnBehalf(seller.partner_id, seller.channel, "command")


async def with_batches(dsn: str, action: Callable[[LargeBatches], Awaitable[Any]]) -> Any:
    async with open_database(dsn, connections_max=4) as database:
        return await action(LargeBatches(database, WORLD, Signers(database, WORLD)))


def begin_batch(dsn: str, seller: Seller, batch_id: str, quantity: int) -> None:
    wanted = BatchRequest(seller.product_id, quantity, batch_id, is_large=True)
    asyncio.run(with_batches(dsn, lambda batches: batches.begin(whose(seller), wanted)))


class _Enough(Exception):
    pass


def make_half(dsn: str, seller: Seller, batch_id: str) -> None:
    wanted = BatchRequest(seller.product_id, 1000, batch_id, is_large=True)

    def report(making: BatchProgress) -> None:
        if making.made:
            raise _Enough

    with pytest.raises(_Enough):
        asyncio.run(with_batches(dsn, lambda batches: batches.generate(whose(seller), wanted, report)))


def go_on(dsn: str, seller: Seller, batch_id: str) -> list[str]:
    """Make the rest; answers the tokens of the whole batch."""
    asyncio.run(with_batches(dsn, lambda batches: batches.resume(whose(seller), batch_id)))
    rows = Shop(dsn, "http://nowhere").sql(
        "SELECT convert_from(decode(qr_code, 'base64'), 'UTF8') AS token FROM pre_generated_tickets WHERE batch_id = %s",
        batch_id,
    )
    return [row["token"] for row in rows]


def test_a_reissue_after_a_restore_is_no_token_that_was_forgotten(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as first, empty_database(dsn) as second:
        shop = till(first)
        code = shop.live(burst=0).codes[-1]
        dump(first, tmp_path / "dump")
        lost = [reissued(first, shop.seller, code) for _ in range(3)]
        load(second, tmp_path / "dump")
        confirm(second)

        after = [reissued(second, shop.seller, code) for _ in range(3)]

        assert not set(lost) & set(after)
        # A gate goes by the issue number: a forgotten token must not have the one that is valid now.
        numbers = [int(token.split(":")[2]) for token in [*lost, *after]]
        assert len(set(numbers)) == 6


def reissued(dsn: str, seller: Seller, code: str) -> str:
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    asked = ReissueRequest(caller, "r", code, "lost")
    done = Shop(dsn, "http://nowhere").operate(
        lambda database, runtime: Reissuer(database, runtime, Signers(database, runtime)).reissue(asked)
    )
    return done.token

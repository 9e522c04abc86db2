"""Making large batches, by the action itself or by the command, and what must hold at every moment."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from premade.audit.actors import COMMAND, COMMAND_ACTOR
from premade.generation.batch_request import BatchRequest
from premade.generation.large import CONNECTIONS, BatchProgress, LargeBatches
from premade.partners.keyring import OnBehalf
from premade.postgres.database import open_database
from premade.tickets.signing import Signers
from support.service import environment_for
from support.shop import Seller, Shop, with_clock_of_the_service

Result = TypeVar("Result")


def whose(seller: Seller) -> OnBehalf:
    return OnBehalf(seller.partner_id, seller.channel, COMMAND)


def make(
    shop: Shop,
    seller: Seller,
    quantity: int,
    batch_id: str = "LARGE",
    report: Callable[[BatchProgress], None] = lambda _: None,
    **more: Any,
) -> BatchProgress:
    wanted = BatchRequest(seller.product_id, quantity, batch_id, is_large=True, **more)

    async def run() -> BatchProgress:
        async with open_database(with_clock_of_the_service(shop.dsn), CONNECTIONS) as database:
            batches = LargeBatches(database, shop.runtime, Signers(database, shop.runtime))
            return await batches.generate(whose(seller), wanted, report)

    return asyncio.run(run())


def stop(shop: Shop, seller: Seller, batch_id: str = "LARGE") -> BatchProgress:
    return shop.operate(
        lambda database, runtime: LargeBatches(database, runtime, Signers(database, runtime)).stop(
            whose(seller), batch_id
        )
    )


def beside(do: Callable[[], Result]) -> Result:
    """Done at this moment by somebody else, while a maker stands between two transactions."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(do).result(60)


def once_made(least: int, do: Callable[[], Any]) -> Callable[[BatchProgress], None]:
    """Does it once, as soon as so many tickets are made."""
    done: list[Any] = []

    def report(making: BatchProgress) -> None:
        if making.made >= least and not done:
            done.append(beside(do))

    return report


def command(shop: Shop, seller: Seller, quantity: int, *more: str, batch_id: str = "LARGE") -> list[str]:
    return [
        sys.executable, "-m", "premade", "generate", "--partner", seller.name, "--batch", batch_id,
        "--product", str(seller.product_id), "--quantity", str(quantity), *more,
    ]  # fmt: skip


def started(shop: Shop, arguments: list[str], **more: Any) -> subprocess.Popen[str]:
    environment = {**environment_for(shop.dsn), "COLUMNS": "80", "TERM": os.environ.get("TERM", "xterm")}
    return subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, text=True, **more)


def begun(shop: Shop, seller: Seller, batch_id: str, quantity: int) -> str:
    """A batch with its stock and no ticket, which the service does not go on with: nobody says that it was begun.
    Answers its id.
    """
    shop.sql(
        "INSERT INTO batches (partner_id, batch_id, product_id, channel, quantity, to_make, entitlements, price, currency,"
        " signing_key_id, request_digest, created_at) SELECT %s, %s, %s, %s, %s, %s, '[]', 288, 'HKD', key_id, '', now()"
        " FROM signing_keys WHERE key_id = 'K1'",
        seller.partner_id, batch_id, seller.product_id, seller.channel, quantity, quantity,
    )  # fmt: skip
    shop.sql(
        "UPDATE allotments SET issued = issued + %s WHERE product_id = %s AND channel = %s",
        quantity,
        seller.product_id,
        seller.channel,
    )
    return batch_id


def seen_at_once(shop: Shop, seller: Seller) -> dict[str, int]:
    """One moment of the database: what each figure says that must agree with another."""
    [row] = shop.sql(
        """
        SELECT (SELECT coalesce(sum(quantity - to_make - unmade), 0)::int FROM batches WHERE partner_id = p) AS made,
               (SELECT coalesce(sum(to_make), 0)::int FROM batches WHERE partner_id = p) AS to_make,
               (SELECT coalesce(sum(unmade), 0)::int FROM batches WHERE partner_id = p) AS unmade,
               (SELECT count(*)::int FROM pre_generated_tickets WHERE partner_id = p) AS tickets,
               (SELECT count(DISTINCT ticket_code)::int FROM pre_generated_tickets WHERE partner_id = p) AS codes,
               (SELECT count(*)::int FROM pre_generated_tickets
                WHERE partner_id = p AND status NOT IN ('CANCELLED', 'EXPIRED')) AS standing,
               (SELECT count(*)::int FROM pre_generated_tickets
                WHERE partner_id = p AND status = 'PRE_GENERATED') AS unused,
               (SELECT coalesce(sum(unused), 0)::int FROM (
                    SELECT partner_id, unused FROM ticket_totals
                    UNION ALL SELECT partner_id, unused_change FROM ticket_deltas
                ) AS f WHERE f.partner_id = p) AS unused_counted,
               (SELECT issued FROM allotments WHERE product_id = %s) AS issued,
               (SELECT held FROM allotments WHERE product_id = %s) AS held
        FROM (SELECT %s::bigint AS p) AS partner
        """,
        seller.product_id,
        seller.product_id,
        seller.partner_id,
    )
    return row


def assert_all_agrees(shop: Shop, seller: Seller) -> dict[str, int]:
    seen = seen_at_once(shop, seller)
    assert seen["tickets"] == seen["codes"] == seen["made"], seen
    assert seen["issued"] == seen["standing"] + seen["to_make"], seen
    assert seen["unused_counted"] == seen["unused"], seen
    return seen


def batch_events(shop: Shop, seller: Seller) -> list[tuple[str, dict[str, Any]]]:
    """What the record says of the partner's batches, oldest first."""
    rows = shop.sql(
        "SELECT event, actor, data FROM audit_events WHERE partner_id = %s AND batch_id IS NOT NULL"
        " AND ticket_code IS NULL ORDER BY event_id",
        seller.partner_id,
    )
    assert {row["actor"] for row in rows} <= {COMMAND, COMMAND_ACTOR, "service", f"key:{seller.key_id}"}
    return [(row["event"], row["data"]) for row in rows]

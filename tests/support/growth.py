"""Growth of an installation: tickets, sales and reservations of several partners, made by the actions, without a service."""

import asyncio
from dataclasses import replace
from zoneinfo import ZoneInfo

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Generator
from premade.partners.keyring import Caller
from premade.postgres.database import Database, open_database
from premade.postgres.table_statistics import TableAnalyst
from premade.runtime.clock import Runtime
from premade.stock.reservations import Reservations
from premade.stock.reserve import ReservationRequest
from premade.tickets.signing import Signers
from support.shop import Seller, Shop, unique

WORLD = Runtime(ZoneInfo("UTC"))
BATCH = 500
AT_ONCE = 50


def grow(dsn: str, *, partners: int, selling: int, batches: int, sales: int) -> None:
    """Add `partners`. Of them, `selling` get so many batches of 500 tickets, sales and three reservations each."""
    sellers = [Shop(dsn, "http://nowhere").seller(stock=10_000) for _ in range(partners)]

    async def run() -> None:
        async with open_database(dsn, connections_max=6) as database:
            for seller in sellers[:selling]:
                await _sell(database, seller, batches, sales)

    asyncio.run(run())


async def _sell(database: Database, seller: Seller, batches: int, sales: int) -> None:
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    generator = Generator(database, WORLD, Signers(database, WORLD))
    activator = Activator(database, WORLD)
    codes: list[str] = []
    for _ in range(batches):
        batch = await generator.generate(caller, "r", BatchRequest(seller.product_id, BATCH, unique("BATCH")))
        codes += [ticket.ticket_code for ticket in batch.tickets]
    blank = Activation(caller, "r", "", "John Smith", "john@example.com", "+1234567890", "PAY")
    for start in range(0, sales, AT_ONCE):
        some = codes[start : min(start + AT_ONCE, sales)]
        await asyncio.gather(
            *(
                activator.activate(replace(blank, ticket_code=code, payment_reference=f"PAY-{code}"))
                for code in some
            )
        )
    for _ in range(3):
        await Reservations(database, WORLD).reserve(ReservationRequest(caller, "r", seller.product_id, 1))


def analyse(dsn: str) -> list[str]:
    """Analyse what has grown, as the service does each second. Return the tables' names."""

    async def run() -> list[str]:
        async with open_database(dsn, connections_max=1) as database:
            analyst = TableAnalyst(database)
            names: list[str] = []
            while (name := await analyst.analyse_next()) is not None:
                names.append(name.removeprefix("public."))
            return names

    return asyncio.run(run())

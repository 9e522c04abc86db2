"""90 days of plausible sales of a test partner, so that the console has something to show.

The product's own actions generate them, with a clock of the past. So they have everything that real sales have: orders,
redemptions, cancellations, audit events, stock and totals. Only codes and order ids are current; the database's clock
issues them. A test partner has its own channel, so live stock stays unchanged. A day always gets the same sales.
"""

import asyncio
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.cancellation.cancel import Canceller, CancelRequest
from premade.catalog.product import Product
from premade.demo import history_sql as sql
from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Generator
from premade.monitoring.refusals import add_refusals
from premade.partners.keyring import Caller, GateCaller
from premade.partners.keys import create_key, list_keys
from premade.partners.partner import PartnerNameTaken, add_partner, list_partners
from premade.postgres.database import Database
from premade.redemption.redeem import Redeemer
from premade.redemption.scan import Entry, PresentedTicket, Scan
from premade.runtime.clock import Runtime
from premade.runtime.refusal_counter import Refused
from premade.stock.allotment import list_allotments, set_allotment
from premade.tickets.signing import Signers

PARTNER = "Demo Test OTA"
PERMISSIONS = ["tickets:bulk-generate", "tickets:activate", "tickets:cancel", "gate:redeem"]
DAYS = 90
BATCH_TICKETS = 100
SALE_DAYS = 120
"""Days from the generation of a batch to its last day of sale; OFFER_DAYS for special offers."""
OFFER_EVERY_DAYS = 30
OFFER_TICKETS = 40
OFFER_DAYS = 7
GROWTH = 0.9
"""Growth of the daily sales from the first to the last day."""
WEEK = (0.80, 0.75, 0.80, 0.90, 1.10, 1.50, 1.35)
"""Factor of the daily sales, from Monday to Sunday."""
HOURS_OF_SALE = (9, 12, 16, 22)
HOURS_AT_THE_GATE = (10, 15)
VISIT_SHARE = 0.85
VISIT_WITHIN_DAYS = 6
ALL_USED_SHARE = 0.25
CANCELLED_SHARE = 0.02
STOCK_BEFORE = 1_000_000
NAMES = ("Mei Wong", "John Smith", "Zoë Müller", "Анна Иванова", "陳大文", "Amélie Durand", "Ravi Patel")
REFUSALS = {"TICKET_UNKNOWN": 0.05, "ALREADY_ACTIVATED": 0.03, "INVALID_REQUEST": 0.03, "NOT_ACTIVATED": 0.02}
"""Number of refusals per sale, by code."""
BAD_DAY_EVERY_DAYS = 19
BAD_DAY_REFUSALS = 60
GATE = "demo-gate"


@dataclass(frozen=True)
class SalesLine:
    """Sales of a product: average per day, and the days that its stock lasts at the end."""

    product: Product
    a_day: int
    days_left: float


class _Story:
    """The sales of one test partner, on a clock that the story moves."""

    def __init__(self, database: Database, runtime: Runtime, caller: Caller) -> None:
        self._now = runtime.now()
        past = replace(runtime, now=lambda: self._now)
        self._database = database
        self._zone = runtime.zone
        self._caller = caller
        self._generator = Generator(database, past, Signers(database, past))
        self._activator = Activator(database, past)
        self._redeemer = Redeemer(database, past)
        self._canceller = Canceller(database, past)
        self.unused: defaultdict[int, deque[str]] = defaultdict(deque)
        """Codes of unused tickets by product, oldest first."""
        self._visits: defaultdict[date, list[tuple[str, Product]]] = defaultdict(list)
        self._sold = 0

    async def live(self, day: date, lines: list[SalesLine], growth: float) -> int:
        """Run one day; return the number of sales."""
        chance = random.Random(day.isoformat())  # noqa: S311  (a story, no secret)
        to_sell: list[Product] = []
        self._go_to(day, 6)
        for line in lines:
            count = round(line.a_day * growth * WEEK[day.weekday()] * chance.uniform(0.8, 1.2))
            to_sell += [line.product] * count
            await self._stock_up(line.product, day, count)
        chance.shuffle(to_sell)
        for hour in HOURS_AT_THE_GATE:
            self._go_to(day, hour, chance.randrange(60))
            await self._use(
                self._visits[day][HOURS_AT_THE_GATE.index(hour) :: len(HOURS_AT_THE_GATE)], chance
            )
        codes: list[str] = []
        for place, hour in enumerate(HOURS_OF_SALE):
            self._go_to(day, hour, chance.randrange(60))
            codes += await self._sell(to_sell[place :: len(HOURS_OF_SALE)], day, chance)
        self._go_to(day, 23, 30)
        await self._cancel_some(codes)
        await self._refuse(day, len(codes), chance)
        return len(codes)

    def _go_to(self, day: date, hour: int, minute: int = 0) -> None:
        self._now = datetime.combine(day, time(hour, minute), tzinfo=self._zone).astimezone(UTC)

    async def _stock_up(self, product: Product, day: date, needed: int) -> None:
        name, unused = f"{day}-{product.product_id}", self.unused[product.product_id]
        for number in range(-(-max(0, needed - len(unused)) // BATCH_TICKETS)):
            unused += await self._generate(product, f"{name}-{number + 1}", BATCH_TICKETS, day, SALE_DAYS)
        if day.toordinal() % OFFER_EVERY_DAYS == product.product_id % OFFER_EVERY_DAYS:
            # Nobody buys the special offer, so it expires.
            await self._generate(product, f"{name}-offer", OFFER_TICKETS, day, OFFER_DAYS)

    async def _generate(self, product: Product, name: str, quantity: int, day: date, days: int) -> list[str]:
        request = BatchRequest(product.product_id, quantity, name, day + timedelta(days=days))
        batch = await self._generator.generate(self._caller, "history", request)
        return [ticket.ticket_code for ticket in batch.tickets]

    async def _sell(self, products: list[Product], day: date, chance: random.Random) -> list[str]:
        """Activate tickets of these products at once; plan the visits; return the codes."""
        activations: list[Activation] = []
        for product in products:
            code = self.unused[product.product_id].popleft()
            activations.append(self._activation(code, chance))
            visited = day + timedelta(days=1 + chance.randrange(VISIT_WITHIN_DAYS))
            if chance.random() < VISIT_SHARE:
                self._visits[visited].append((code, product))
        await asyncio.gather(*map(self._activator.activate, activations))
        return [activation.ticket_code for activation in activations]

    def _activation(self, code: str, chance: random.Random) -> Activation:
        customer = chance.choice(NAMES)
        number = chance.randrange(10_000_000)
        return Activation(
            self._caller,
            "history",
            code,
            customer,
            f"customer.{number}@example.com",
            f"+8529{number:07}",
            f"PAY-DEMO-{number:07}",
        )

    async def _use(self, visits: list[tuple[str, Product]], chance: random.Random) -> None:
        """Redeem the first function of each ticket, and all functions of some."""
        firsts = [(code, *next(iter(product.functions.items()))) for code, product in visits]
        await self._redeem(firsts)
        whole = [visit for visit in visits if chance.random() < ALL_USED_SHARE]
        for place in range(1, max((len(product.functions) for _, product in whole), default=0)):
            await self._redeem(
                [
                    (code, *list(product.functions.items())[place])
                    for code, product in whole
                    if place < len(product.functions)
                ]
            )

    async def _redeem(self, uses: list[tuple[str, str, int]]) -> None:
        gate = GateCaller(
            self._caller.actor, self._caller.partner_id, frozenset(), self._caller.key_id, is_test=True
        )
        scans = [
            Scan(
                gate,
                "history",
                PresentedTicket(code, 1),
                function,
                count,
                GATE,
                f"{code}-{function}",
                Entry.SCAN,
            )
            for code, function, count in uses
        ]
        await asyncio.gather(*map(self._redeemer.redeem, scans))

    async def _cancel_some(self, sold: list[str]) -> None:
        """Cancel CANCELLED_SHARE of the sales, and their visits."""
        every = round(1 / CANCELLED_SHARE)
        cancelled: set[str] = set()
        for code in sold:
            self._sold += 1
            if self._sold % every == 0:
                cancelled.add(code)
                await self._canceller.cancel(
                    CancelRequest(self._caller, "history", code, "The plans changed")
                )
        for day, visits in self._visits.items():
            self._visits[day] = [visit for visit in visits if visit[0] not in cancelled]

    async def _refuse(self, day: date, sold: int, chance: random.Random) -> None:
        refused = {code: round(sold * share * chance.uniform(0.3, 1.7)) for code, share in REFUSALS.items()}
        if day.toordinal() % BAD_DAY_EVERY_DAYS == 0:
            refused["INVALID_REQUEST"] += BAD_DAY_REFUSALS
        partner_id = self._caller.partner_id
        counts: Counter[Refused] = Counter(
            {(partner_id, code): count for code, count in refused.items() if count}
        )
        await add_refusals(self._database, day, counts)


async def make_history(
    database: Database,
    runtime: Runtime,
    lines: list[SalesLine],
    report: Callable[[int], None] = lambda _: None,
    days_max: int = DAYS,
) -> int:
    """Add sales of the test partner for the days since its last sale, up to yesterday; return the number of sales.

    The products must exist. `days_max`: maximum number of days, 1 to DAYS. `report` is called first, with the number of
    days, unless there are none.
    """
    yesterday = runtime.today() - timedelta(days=1)
    start = datetime.combine(yesterday - timedelta(days=DAYS), time(9), tzinfo=runtime.zone).astimezone(UTC)
    past = replace(runtime, now=lambda: start)
    caller = await _caller(database, past)
    async with database.single_statement() as tx:
        last_sale = await tx.fetch_one(sql.last_sale, partner_id=caller.partner_id)
        left = await tx.fetch_all(sql.unused, partner_id=caller.partner_id, last_day=runtime.today())
    first = yesterday - timedelta(days=days_max - 1)
    if last_sale:
        first = max(first, last_sale.astimezone(runtime.zone).date() + timedelta(days=1))
    days = [first + timedelta(days=number) for number in range((yesterday - first).days + 1)]
    if not days:
        return 0
    report(len(days))
    story = _Story(database, runtime, caller)
    for row in left:
        story.unused[row.product_id].append(row.ticket_code)
    for line in lines:
        await set_allotment(database, past, line.product.product_id, caller.channel, STOCK_BEFORE)
    sold = 0
    for day in days:
        growth = 1 + GROWTH * (0.5 - (yesterday - day).days / DAYS)
        sold += await story.live(day, lines, growth)
    await _leave_stock(database, runtime, lines, caller.channel)
    return sold


async def _caller(database: Database, runtime: Runtime) -> Caller:
    """Return the test partner, with a key whose text is thrown away: it belongs to this history only."""
    with suppress(PartnerNameTaken):
        await add_partner(database, runtime, PARTNER, is_test=True)
    partner = next(partner for partner in await list_partners(database) if partner.name == PARTNER)
    if not partner.is_test:
        raise PartnerNameTaken("live", repr(PARTNER))
    keys = [key.key_id for key in await list_keys(database) if key.partner == PARTNER]
    if not keys:
        keys.append((await create_key(database, runtime, partner=PARTNER, permissions=PERMISSIONS)).id)
    return Caller(keys[0], partner.partner_id, partner.channel)


async def _leave_stock(database: Database, runtime: Runtime, lines: list[SalesLine], channel: str) -> None:
    """Set the allotments so that each product's stock lasts as many days as its line says."""
    issued = {
        row.product_id: row.issued
        for row in await list_allotments(database, runtime)
        if row.channel == channel
    }
    for line in lines:
        left = round(line.a_day * (1 + GROWTH / 2) * line.days_left)
        product_id = line.product.product_id
        await set_allotment(database, runtime, product_id, channel, issued[product_id] + left)

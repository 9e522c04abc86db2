"""Allotments: the stock of one product given to one channel."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import AllotmentSet
from premade.audit.record import record
from premade.postgres.database import Database
from premade.postgres.keyset import Keyset
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, Exhausted, FieldError, Invalid, NotFound, RuleBroken
from premade.stock import allotment_sql as sql
from premade.stock.hold import expire_holds
from premade.texts.fields import field_text

ALLOTTED_MAX = 2**31 - 1


class _StockKey(NamedTuple):
    product_id: int


INVENTORY = Keyset("inventory", _StockKey)
PRODUCTS = Keyset("products", _StockKey)


@dataclass(eq=False)
class StockUnknown(NotFound):
    """No product has this id, or no partner has this channel."""

    code = "STOCK_UNKNOWN"

    reason: Literal["product", "channel"]
    product_id: int
    channel: str


@dataclass(eq=False)
class AllotmentBelowIssued(Exhausted):
    """An allotment cannot be lower than its issued and held stock together."""

    code = "ALLOTMENT_BELOW_ISSUED"
    published = ("issued", "held")

    issued: int
    held: int

    @property
    def total(self) -> int:
        """Return the smallest possible allotment."""
        return self.issued + self.held


@dataclass(eq=False)
class AllotmentChangedMeanwhile(Conflict):
    """Somebody else changed the allotment after you opened it."""

    code = "ALLOTMENT_CHANGED_MEANWHILE"

    channel: str


@dataclass(eq=False)
class StockShort(Exhausted):
    """Your channel's allotment has less available stock than requested."""

    code = "STOCK_SHORT"
    published = ("product_id", "requested", "available")

    product_id: int
    requested: int
    available: int


@dataclass(frozen=True)
class AllotmentBefore:
    """An allotment when somebody opened it to change it. None: there was none."""

    allotted: int | None


@dataclass(frozen=True)
class AllotmentPlan:
    """Preview of a new allotment. `before` None: the channel has no allotment of the product."""

    before: sql.ListedAllotment | None
    allotted: int

    @property
    def expected(self) -> AllotmentBefore:
        """Return the allotment that this preview shows as the present one."""
        return AllotmentBefore(self.before.allotted if self.before else None)

    @property
    def available(self) -> int:
        """Return the available stock after the change."""
        return self.allotted - (self.before.issued + self.before.held if self.before else 0)


async def plan_allotment(
    database: Database, runtime: Runtime, product_id: int, channel: str, quantity: int
) -> AllotmentPlan:
    """Preview `set_allotment`.

    Raises:
        Invalid: `quantity` is not 0 to ALLOTTED_MAX.
        AllotmentBelowIssued: more stock is issued and held already.
    """
    _check(quantity)
    plan = AllotmentPlan(await _allotment(database, runtime, product_id, channel), quantity)
    if plan.before and plan.available < 0:
        raise _below_issued(plan.before)
    return plan


async def set_allotment(
    database: Database,
    runtime: Runtime,
    product_id: int,
    channel: str,
    quantity: int,
    *,
    expected: AllotmentBefore | None = None,
    actor: str = COMMAND_ACTOR,
) -> sql.AllotmentRow:
    """Set the allotment of the channel to `quantity` tickets in all, with those that are issued and held.

    `expected`: the present allotment, or None to replace any.

    Raises:
        Invalid: `quantity` is not 0 to ALLOTTED_MAX.
        StockUnknown: no product has this id, or no partner has this channel.
        AllotmentBelowIssued: more stock is issued and held already.
        AllotmentChangedMeanwhile: the present allotment is not the expected one.
    """
    _check(quantity)
    await expire_holds(database, runtime, product_id, channel)
    try:
        async with database.transaction() as tx:
            allotment = await tx.fetch_one(
                sql.set_allotment,
                product_id=product_id,
                channel=channel,
                quantity=quantity,
                is_expected=expected is not None,
                expected=expected.allotted if expected else None,
            )
            if allotment is None:
                raise AllotmentChangedMeanwhile(channel)
            event = AllotmentSet(
                product_id=allotment.product_id,
                channel=allotment.channel,
                allotted=allotment.allotted,
                issued=allotment.issued,
                held=allotment.held,
                available=allotment.available,
            )
            await record(tx, event, runtime.now(), partner_id=None, actor=actor)
    except RuleBroken as broken:
        before = await _allotment(database, runtime, product_id, channel)
        raise _refusal(broken, product_id, channel, before) from None
    return allotment


def _check(quantity: int) -> None:
    if not 0 <= quantity <= ALLOTTED_MAX:
        raise Invalid([FieldError("quantity", field_text("general.range", least=0, most=ALLOTTED_MAX))])


def _refusal(
    broken: RuleBroken, product_id: int, channel: str, before: sql.ListedAllotment | None
) -> Exception:
    if broken.rule == "allotments_product":
        return StockUnknown("product", product_id, channel)
    if broken.rule == "allotments_channel":
        return StockUnknown("channel", product_id, channel)
    if broken.rule == "available_not_negative" and before:
        return _below_issued(before)
    return broken


def _below_issued(before: sql.ListedAllotment) -> AllotmentBelowIssued:
    return AllotmentBelowIssued(before.issued, before.held)


async def list_allotments(
    database: Database, runtime: Runtime, product_ids: list[int] | None = None
) -> list[sql.ListedAllotment]:
    """Return all allotments, or those of these products, with their available stock."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.list_allotments, product_ids=product_ids, now=runtime.now())


async def _allotment(
    database: Database, runtime: Runtime, product_id: int, channel: str
) -> sql.ListedAllotment | None:
    rows = await list_allotments(database, runtime, [product_id])
    return next((row for row in rows if row.channel == channel), None)


async def inventory_of(
    database: Database,
    runtime: Runtime,
    partner_id: int,
    product_ids: list[int] | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[sql.InventoryRow], str | None]:
    """Return a page of the stock of the partner's channel, of all or of these products, and the next cursor.

    Raises:
        Invalid: the cursor is not one of these pages.
    """
    (after_product_id,) = INVENTORY.after(cursor) or (None,)
    async with database.single_read() as tx:
        rows = await tx.fetch_all(
            sql.inventory_of_partner,
            after_product_id=after_product_id,
            partner_id=partner_id,
            product_ids=product_ids,
            now=runtime.now(),
            rows=limit + 1,
        )
    return INVENTORY.page(rows, limit)


async def products_of(
    database: Database, partner_id: int, limit: int, cursor: str | None
) -> tuple[list[sql.ProductOfPartner], str | None]:
    """Return a page of the products with an allotment in the partner's channel, and the next cursor.

    Raises:
        Invalid: the cursor is not one of these pages.
    """
    (after_product_id,) = PRODUCTS.after(cursor) or (None,)
    async with database.single_read() as tx:
        rows = await tx.fetch_all(
            sql.products_of_partner, after_product_id=after_product_id, partner_id=partner_id, rows=limit + 1
        )
    return PRODUCTS.page(rows, limit)

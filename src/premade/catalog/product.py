"""Products, with their prices and functions."""

import hashlib
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple, TypedDict, Unpack

import orjson

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import ProductAdded, ProductChanged, ProductEvent
from premade.audit.record import record
from premade.catalog import product_sql as sql
from premade.catalog.product_input import NAME_CHARACTERS_MAX, read_names
from premade.postgres.database import Database, Transaction
from premade.postgres.keyset import Keyset
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, FieldError, Invalid, NotFound, RuleBroken
from premade.texts.fields import field_text
from premade.texts.translation import gettext as _
from premade.values.currency import DECIMALS, amount_text, amounts_beside, decimals_phrase, fits, in_full
from premade.values.texts import cleaned, one_line

DEFAULT_CODE_PREFIX = "CRUISE"
FUNCTIONS_MAX = 20
FUNCTION_USES_MAX = 10_000
USABLE_DAYS_MAX = 3650
PRODUCT_ID_MAX = 2**63 - 1
PRICE_MAX = Decimal("9999999999.99")
"""In any currency."""


class _CatalogKey(NamedTuple):
    product_id: int


ALL_PRODUCTS = Keyset("all products", _CatalogKey)
_TICKET_TYPE = re.compile(r"[A-Z]{2,12}")
_FUNCTION_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(eq=False)
class ProductUnknown(NotFound):
    """No product has this id."""

    code = "PRODUCT_UNKNOWN"
    published = ("product_id",)

    reason: Literal["to_partner", "to_operator"]
    product_id: int


@dataclass(eq=False)
class ProductIdTaken(Conflict):
    """Another product has this id."""

    code = "PRODUCT_ID_TAKEN"

    product_id: int


@dataclass(eq=False)
class ProductChangedMeanwhile(Conflict):
    """Somebody else changed the product after you opened it."""

    code = "PRODUCT_CHANGED_MEANWHILE"

    product_id: int


class Cancellation(StrEnum):
    """Until when a ticket that is sold can be cancelled."""

    UNTIL_FIRST_USE = "until_first_use"
    NEVER = "never"


@dataclass(frozen=True)
class Product:
    """A product. `price`: of one ticket, in `currency`. `functions`: uses by function code, in the order of display."""

    product_id: int
    name: str
    ticket_type: str
    price: Decimal
    currency: str
    functions: dict[str, int]
    code_prefix: str = DEFAULT_CODE_PREFIX
    usable_days: int | None = None
    """Days after the day of activation on which a ticket can be used; None for no such limit."""
    usable_until: date | None = None
    """Fixed last day of use; None for no such limit."""
    cancellation: Cancellation = Cancellation.UNTIL_FIRST_USE
    names: dict[str, str] = field(default_factory=dict[str, str])
    """Names for guests and guards, by language tag. Without one, they see `name`."""

    @property
    def version(self) -> str:
        """Return a digest of everything that can be changed of the product."""
        values = {**asdict(self), "price": amount_text(self.price, self.currency)}
        return hashlib.sha256(orjson.dumps(values)).hexdigest()

    def as_kept(self) -> "Product":
        """Return the product with its name normalized and its price with all decimals of its currency.

        An invalid value stays as it is, so that `check` reports it.
        """
        product = (
            replace(self, price=in_full(Decimal(self.price), self.currency))
            if self._price_is_in_range
            else self
        )
        with suppress(Invalid):
            product = replace(product, name=read_name(product.name))
        with suppress(Invalid):
            product = replace(product, names=read_names(product.names))
        return product

    def check(self) -> None:
        """Check the product.

        Raises:
            Invalid: with every wrong field.
        """
        wrong = [FieldError(name, detail) for name, holds, detail in self._rules() if not holds]
        for read in (lambda: read_name(self.name), lambda: read_names(self.names)):
            try:
                read()
            except Invalid as error:
                wrong += error.errors
        if wrong:
            raise Invalid(wrong)

    def check_new(self, today: date) -> None:
        """Check a new product.

        Raises:
            Invalid: as `check`, or if its last day of use is past, because no batch could be generated.
        """
        self.check()
        if self.is_over(today):
            raise Invalid([FieldError("usable_until", field_text("product.over"))])

    def is_over(self, today: date) -> bool:
        """Return whether its last day of use is past. `today`: in the operator's time zone."""
        return self.usable_until is not None and self.usable_until < today

    def _rules(self) -> list[tuple[str, bool, str]]:
        functions_fit = 1 <= len(self.functions) <= FUNCTIONS_MAX and all(
            _FUNCTION_CODE.fullmatch(code) and 1 <= uses <= FUNCTION_USES_MAX
            for code, uses in self.functions.items()
        )
        wrong_price = self._wrong_price()
        return [
            ("id", 1 <= self.product_id <= PRODUCT_ID_MAX, field_text("product.id")),
            ("type", bool(_TICKET_TYPE.fullmatch(self.ticket_type)), field_text("product.ticket_type")),
            ("prefix", bool(_TICKET_TYPE.fullmatch(self.code_prefix)), field_text("product.ticket_type")),
            ("price", not wrong_price, wrong_price),
            ("currency", self.currency in DECIMALS, field_text("product.currency")),
            (
                "entitles",
                functions_fit,
                field_text("product.functions", functions_max=FUNCTIONS_MAX, uses_max=FUNCTION_USES_MAX),
            ),
            (
                "usable_days",
                self.usable_days is None or 0 <= self.usable_days <= USABLE_DAYS_MAX,
                field_text("product.usable_days", days_max=USABLE_DAYS_MAX),
            ),
            (
                "usable_until",
                self.usable_days is None or self.usable_until is None,
                field_text("product.two_last_days"),
            ),
        ]

    @property
    def _price_is_in_range(self) -> bool:
        return 0 <= self.price <= PRICE_MAX

    def _wrong_price(self) -> str:
        """Return what is wrong with the price, or an empty text. The decimals of an unknown currency are not judged."""
        if not self._price_is_in_range:
            highest = amounts_beside(PRICE_MAX, self.currency)[0]
            return field_text("product.price", highest=highest, currency=self.currency)
        if self.currency not in DECIMALS or fits(self.price, self.currency):
            return ""
        conjunction = _("or")
        beside = [amount for amount in amounts_beside(self.price, self.currency) if amount <= PRICE_MAX]
        amounts = f" {conjunction} ".join(map(str, beside))
        return field_text("product.price_decimals", rule=decimals_phrase(self.currency), amounts=amounts)


class ProductChanges(TypedDict, total=False):
    """New values of some fields of a product."""

    name: str
    ticket_type: str
    price: Decimal
    currency: str
    functions: dict[str, int]
    code_prefix: str
    usable_days: int | None
    usable_until: date | None
    cancellation: Cancellation
    names: dict[str, str]


class _ProductColumns(TypedDict):
    product_id: int
    name: str
    ticket_type: str
    code_prefix: str
    price: Decimal
    currency: str
    usable_days: int | None
    usable_until: date | None
    cancellation: str
    names: str


def read_name(text: str) -> str:
    """Return a product's name as it is stored.

    Raises:
        Invalid: it is not a valid name.
    """
    try:
        return one_line(text, NAME_CHARACTERS_MAX)
    except ValueError as error:
        raise Invalid([FieldError("name", str(error))]) from None


async def add_product(
    database: Database, runtime: Runtime, product: Product, *, actor: str = COMMAND_ACTOR
) -> None:
    """Add a product.

    Raises:
        ProductIdTaken: another product has this id.
        Invalid: for the wrong fields.
    """
    product = product.as_kept()
    product.check_new(runtime.today())
    try:
        async with database.transaction() as tx:
            now = runtime.now()
            await tx.execute(sql.add_product, **_columns(product), now=now)
            await _write_functions(tx, product)
            await record(tx, _event(ProductAdded, product), now, partner_id=None, actor=actor)
    except RuleBroken as broken:
        if broken.rule != "products_pkey":
            raise
        raise ProductIdTaken(product.product_id) from None


async def change_product(
    database: Database,
    runtime: Runtime,
    product_id: int,
    *,
    version: str | None = None,
    actor: str = COMMAND_ACTOR,
    **changes: Unpack[ProductChanges],
) -> Product:
    """Change a product and return it. Existing batches keep their price and functions.

    `version`: the version that the change is based on; None for any.

    Raises:
        ProductUnknown: no product has this id.
        ProductChangedMeanwhile: the product has another version.
        Invalid: for the wrong fields.
    """
    async with database.transaction() as tx:
        await tx.fetch_one(sql.lock_product, product_id=product_id)
        before = await _product(tx, product_id)
        if version is not None and version != before.version:
            raise ProductChangedMeanwhile(product_id)
        product = replace(before, **changes).as_kept()
        product.check()
        await tx.execute(sql.change_product, **_columns(product))
        await tx.execute(sql.forget_functions, product_id=product_id)
        await _write_functions(tx, product)
        await record(tx, _event(ProductChanged, product), runtime.now(), partner_id=None, actor=actor)
    return product


async def list_products(database: Database) -> list[Product]:
    """Return all products, by id."""
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.list_products, product_id=None, sought=None, after_product_id=None, rows=None
        )
    return [_product_of(row) for row in rows]


async def page_of_products(
    database: Database, sought: str, limit: int, cursor: str | None
) -> tuple[list[Product], str | None]:
    """Return a page of the products whose name contains `sought`, or whose id it is, by id; and the next page's cursor.

    Raises:
        Invalid: the cursor is malformed, or of another list.
    """
    (after_product_id,) = ALL_PRODUCTS.after(cursor) or (None,)
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.list_products,
            after_product_id=after_product_id,
            product_id=None,
            sought=cleaned(sought).replace("\0", "") or None,
            rows=limit + 1,
        )
    page, next_cursor = ALL_PRODUCTS.page(rows, limit)
    return [_product_of(row) for row in page], next_cursor


async def product_of(database: Database, product_id: int) -> Product:
    """Return the product.

    Raises:
        ProductUnknown: no product has this id.
    """
    async with database.single_statement() as tx:
        return await _product(tx, product_id)


async def list_functions(database: Database) -> list[str]:
    """Return the function codes of all products."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.list_functions)


async def _product(tx: Transaction, product_id: int) -> Product:
    row = await tx.fetch_one(
        sql.list_products, product_id=product_id, sought=None, after_product_id=None, rows=None
    )
    if row is None:
        raise ProductUnknown("to_operator", product_id)
    return _product_of(row)


def _columns(product: Product) -> _ProductColumns:
    return {
        "product_id": product.product_id,
        "name": product.name,
        "ticket_type": product.ticket_type,
        "code_prefix": product.code_prefix,
        "price": product.price,
        "currency": product.currency,
        "usable_days": product.usable_days,
        "usable_until": product.usable_until,
        "cancellation": product.cancellation,
        "names": orjson.dumps(product.names).decode(),
    }


def _event(kind: type[ProductEvent], product: Product) -> ProductEvent:
    return kind(
        product_id=product.product_id,
        name=product.name,
        ticket_type=product.ticket_type,
        price=amount_text(product.price, product.currency),
        currency=product.currency,
        functions=product.functions,
        code_prefix=product.code_prefix,
        usable_days=product.usable_days,
        usable_until=product.usable_until,
        cancellation=product.cancellation,
        names=product.names or None,
    )


def _product_of(row: sql.ProductRow) -> Product:
    return Product(
        product_id=row.product_id,
        name=row.name,
        ticket_type=row.ticket_type,
        price=in_full(row.price, row.currency),
        currency=row.currency,
        functions=row.functions,
        code_prefix=row.code_prefix,
        usable_days=row.usable_days,
        usable_until=row.usable_until,
        cancellation=Cancellation(row.cancellation),
        names=row.names,
    )


async def _write_functions(tx: Transaction, product: Product) -> None:
    rows = [
        {"function_code": code, "uses": uses, "position": position}
        for position, (code, uses) in enumerate(product.functions.items())
    ]
    await tx.execute(sql.add_functions, product_id=product.product_id, functions=orjson.dumps(rows).decode())

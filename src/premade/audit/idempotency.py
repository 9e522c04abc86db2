"""Idempotency-Keys: each key executes one request. A retry gets the result of the first request (ADR 39).

A request with a key leaves a receipt: a row with its partner, operation, key and digest, written in the transaction of the
change. The row is an audit event, or the order, batch or reservation that the request created.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, Protocol, TypedDict, TypeVar

from premade.audit import idempotency_sql as sql
from premade.audit.idempotency_sql import EventReceipt
from premade.postgres.database import Database, Transaction
from premade.runtime.errors import (
    Busy,
    DatabaseAway,
    DomainError,
    EarlierRequest,
    IdempotencyKeyReused,
    ResultArchived,
    RuleBroken,
)

KEY_CONSTRAINTS = frozenset(
    {
        "audit_idempotency_key_taken",
        "batches_idempotency_key_taken",
        "ota_orders_idempotency_key_taken",
        "reservations_idempotency_key_taken",
    }
)
"""Unique indexes of the receipts."""
TRIES_MAX = 3


class ReceiptColumns(TypedDict):
    """The columns of an audit event that make it the receipt of its request."""

    partner_id: int
    operation: str
    idempotency_key: str | None
    request_digest: bytes | None


@dataclass(frozen=True)
class RequestIdentity:
    """An Idempotency-Key, what it is unique within (partner and operation), and the digests of its request.

    `digests`: SHA-256 of the normalized request, as `request_digest` returns it. The first one is stored. The others are
    those that older versions stored for the same request.
    """

    partner_id: int
    operation: str
    idempotency_key: str | None
    digests: tuple[bytes, ...]

    @property
    def columns(self) -> ReceiptColumns:
        """Return the columns of the event that this request writes."""
        return {
            "partner_id": self.partner_id,
            "operation": self.operation,
            "idempotency_key": self.idempotency_key,
            "request_digest": None if self.idempotency_key is None else self.digests[0],
        }


class KeyedRequest(Protocol):
    """A request that can have an Idempotency-Key."""

    @property
    def identity(self) -> RequestIdentity:
        """Return the identity; two requests with the same one are the same request."""
        ...


def _no_digest() -> None:
    return None


Row = TypeVar("Row")
Request = TypeVar("Request", bound=KeyedRequest)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Receipt(Generic[Row]):
    """The row that the first request with an Idempotency-Key wrote."""

    row: Row
    kind: EarlierRequest
    subject: str | None
    """Id of what the request created or changed."""
    digest: bytes | None
    """The stored digest of the request."""
    normalized_digest: Callable[[], bytes | None] = _no_digest
    """Compute the digest of the stored values in this version, or return None if they are not valid. It differs from the
    stored digest if an older version did not normalize the text.
    """

    def check(self, request: RequestIdentity) -> None:
        """Return if the request is the one that left this receipt.

        Raises:
            IdempotencyKeyReused: it is another request.
        """
        if self.digest not in request.digests and self.normalized_digest() not in request.digests:
            raise IdempotencyKeyReused(self.kind, self.subject)


class Overtaken(Exception):
    """A concurrent request took the key, the id or the stock first. The attempt wrote nothing and can run again."""


@dataclass(frozen=True)
class Operation(ABC, Generic[Request, Row, Result]):
    """An operation that executes each Idempotency-Key once. `Row` is the row that serves as its receipt."""

    database: Database
    busy_reason: ClassVar[Literal["overtaken", "overtaken_generation"]] = "overtaken"

    @abstractmethod
    async def find_receipt(self, tx: Transaction, request: Request) -> Receipt[Row] | None:
        """Return the receipt with the request's key, even if another request left it. The request has a key."""

    @abstractmethod
    async def replay(self, request: Request, row: Row) -> Result:
        """Return the result of the request that left this row."""

    @abstractmethod
    async def attempt(self, request: Request) -> Result:
        """Execute the request. Write the receipt in the transaction of the change.

        Raises:
            Overtaken: a concurrent request came first.
        """

    async def run(self, request: Request) -> Result:
        """Execute the request, or return the result of the earlier request with the same key.

        Raises:
            IdempotencyKeyReused: the key was used for another request.
            Busy: concurrent requests came first TRIES_MAX times.
        """
        refusal: DomainError = Busy(self.busy_reason, tries=TRIES_MAX)
        for _ in range(TRIES_MAX):
            if receipt := await self.receipt_of(request):
                return await self.replay(request, receipt.row)
            try:
                return await self.attempt(request)
            except Overtaken:
                continue
            except RuleBroken as broken:
                if broken.rule not in KEY_CONSTRAINTS:
                    raise
            except DomainError as error:
                if isinstance(error, DatabaseAway) or (isinstance(error, Busy) and error.meets_all):
                    raise
                refusal = error
                break
        # A concurrent request with the same key may have succeeded first. It may have taken what this one needs, or a time
        # limit may have passed since.
        if receipt := await self.receipt_of(request):
            return await self.replay(request, receipt.row)
        raise refusal

    async def receipt_of(self, request: Request) -> Receipt[Row] | None:
        """Return the receipt of this request if it was executed before.

        Raises:
            IdempotencyKeyReused: the key was used for another request.
        """
        identity = request.identity
        if identity.idempotency_key is None:
            return None
        async with self.database.single_statement() as tx:
            receipt = await self.find_receipt(tx, request)
        if receipt is not None:
            receipt.check(identity)
        return receipt


async def event_of(tx: Transaction, request: RequestIdentity) -> EventReceipt | None:
    """Return the audit event with the request's key, for operations whose receipt is an event.

    Raises:
        ResultArchived: the event is in the archive, so the request cannot be replayed.
    """
    event = await tx.fetch_one(
        sql.event_of_key,
        partner_id=request.partner_id,
        operation=request.operation,
        idempotency_key=request.idempotency_key,
    )
    if event is not None and event.is_archived:
        raise ResultArchived("request", event.occurred_at)
    return event

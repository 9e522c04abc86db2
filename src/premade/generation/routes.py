"""`POST /api/ota/tickets/bulk-generate`."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, ConfigDict, Field

from premade.batches.batch import BATCH_ID_CHARACTERS_MAX, NEW_BATCH_ID_PATTERN, checked_new_batch_id
from premade.catalog.product import ProductUnknown
from premade.generation.batch_request import METADATA_BYTES_MAX, BatchRequest, checked_metadata
from premade.generation.checks import BatchIdTaken, ProductOver
from premade.generation.generate import Batch, Generator
from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, CalendarDay, IdempotencyKey, Money, RequestModel, Timestamp
from premade.http.problems import documented
from premade.partners.call import Call, partner_router, partner_with
from premade.runtime.errors import IdempotencyKeyReused
from premade.stock.allotment import StockShort
from premade.stock.quotas import QuotaReached
from premade.stock.reservation import (
    RESERVATION_ID_PATTERN,
    ReservationEnded,
    ReservationTooSmall,
    ReservationUnknown,
    is_reservation_id,
)
from premade.texts.fields import field_text
from premade.tickets.answers import Entitlement, QrCode, qr_of
from premade.tickets.signing import SigningKeyMissing

router = partner_router("OTA Integration")

QUANTITY_MAX = 100


def _reservation_id(value: str) -> str:
    if not is_reservation_id(value):
        raise ValueError(field_text("reservation.id"))
    return value


class GenerateRequest(RequestModel):
    """Product, quantity and options of a new batch."""

    # One example of the whole request, so that the docs page can send it. It names no reservation, which may not exist.
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "product_id": 106,
                    "quantity": 50,
                    "batch_id": "BATCH_2025_Q1_001",
                    "valid_until": "2099-03-31",
                    "metadata": {"campaign": "spring"},
                }
            ]
        }
    )

    product_id: int = Field(
        ge=-(2**63),
        le=2**63 - 1,
        description="Package product ID, a 64-bit integer",
        examples=[106],
        json_schema_extra={"format": "int64"},
    )
    quantity: int = Field(
        ge=1, le=QUANTITY_MAX, description="Number of pre-made tickets to generate", examples=[50]
    )
    batch_id: Annotated[str, AfterValidator(checked_new_batch_id)] = Field(
        description="Batch identifier for tracking, unique for the partner: "
        f"1 to {BATCH_ID_CHARACTERS_MAX} letters A to Z or a to z, digits and . _ : - but not only dots",
        examples=["BATCH_2025_Q1_001"],
        json_schema_extra={
            "minLength": 1,
            "maxLength": BATCH_ID_CHARACTERS_MAX,
            "pattern": f"^{NEW_BATCH_ID_PATTERN}$",
        },
    )
    valid_until: CalendarDay | None = Field(
        default=None, description="Last day of sale in the operator's time zone", examples=["2099-03-31"]
    )
    metadata: Annotated[dict[str, Any], AfterValidator(checked_metadata)] | None = Field(
        default=None,
        description=f"Free data stored with the batch, such as reseller or campaign; at most {METADATA_BYTES_MAX} bytes as JSON",
        examples=[{"campaign": "spring"}],
    )
    reservation_id: Annotated[str, AfterValidator(_reservation_id)] | None = Field(
        default=None,
        description="Reservation of this product that provides the stock, instead of the available stock. The rest of the "
        "reservation stays held.",
        examples=["RSV-1762274285982"],
        json_schema_extra={"pattern": f"^{RESERVATION_ID_PATTERN}$"},
    )


class GeneratedTicket(QrCode):
    """Generated ticket."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    status: Literal["PRE_GENERATED"] = "PRE_GENERATED"
    entitlements: list[Entitlement]


class GenerateAnswer(AnswerModel):
    """Generated batch with its tickets."""

    batch_id: str = Field(examples=["BATCH_2025_Q1_001"])
    tickets: list[GeneratedTicket]
    total_generated: int = Field(examples=[50])
    product_id: int = Field(examples=[106])
    price: Money = Field(description="Price of one ticket; becomes the total_amount of its order")
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    valid_until: date | None = Field(description="Last day of sale", examples=["2099-03-31"])
    usable_days: int | None = Field(
        description="Number of days after the day of activation on which a ticket can be used; null if not limited this way",
        examples=[30],
    )
    usable_until: date | None = Field(
        description="Fixed last day of use, independent of the activation; null if there is none",
        examples=["2099-12-31"],
    )
    metadata: dict[str, Any] | None = Field(examples=[{"campaign": "spring"}])
    reservation_id: str | None = Field(
        description="Reservation that provided the stock; null if none", examples=["RSV-1762274285982"]
    )
    created_at: Timestamp


class DryRunAnswer(AnswerModel):
    """Result of a dry run: price and stock."""

    dry_run: Literal[True] = True
    batch_id: str = Field(examples=["BATCH_2025_Q1_001"])
    product_id: int = Field(examples=[106])
    quantity: int = Field(examples=[50])
    price: Money = Field(description="Price of one ticket")
    total_amount: Money = Field(description="Price of the whole batch", examples=["14400.00"])
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    available: int = Field(
        description="Available stock before this batch, without held stock", examples=[500]
    )
    held: int | None = Field(
        description="Stock held by the reservation before this batch; null without a reservation",
        examples=[60],
    )


@router.post(
    "/api/ota/tickets/bulk-generate",
    status_code=201,
    summary="Generate pre-made tickets for OTA sales",
    description="Generate a batch of tickets with signed QR codes, all or none.",
    response_description="Pre-made tickets successfully generated",
    responses={
        200: {"model": DryRunAnswer, "description": "Result of a dry run; nothing was written"},
        **documented(
            ProductUnknown,
            ProductOver,
            BatchIdTaken,
            StockShort,
            QuotaReached,
            ReservationUnknown,
            ReservationEnded,
            ReservationTooSmall,
            IdempotencyKeyReused,
            SigningKeyMissing,
        ),
    },
    response_model=GenerateAnswer,
)
async def bulk_generate(
    call: Annotated[Call, partner_with("tickets:bulk-generate")],
    body: GenerateRequest,
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[bool, Query(description="Check the request and write nothing")] = False,  # noqa: FBT002
) -> Reply:
    """Generate a batch of tickets with signed QR codes, all or none."""
    generator = call.use(Generator)
    batch_request = BatchRequest(**dict(body), idempotency_key=idempotency_key)
    if dry_run:
        estimate = await generator.estimate(call.caller, batch_request)
        answer = DryRunAnswer(
            batch_id=batch_request.batch_id,
            product_id=batch_request.product_id,
            quantity=batch_request.quantity,
            price=estimate.price,
            total_amount=estimate.price * batch_request.quantity,
            currency=estimate.currency,
            available=estimate.available,
            held=estimate.held,
        )
        return Reply(answer, status=200)
    batch = await generator.generate(call.caller, call.request_id, batch_request)
    return Reply(_answer(batch, is_test=call.caller.is_test), replayed=batch.replayed)


def _answer(batch: Batch, *, is_test: bool) -> GenerateAnswer:
    entitlements = [Entitlement(**entitlement) for entitlement in batch.entitlements]
    return GenerateAnswer(
        batch_id=batch.batch_id,
        tickets=[
            GeneratedTicket(
                ticket_code=ticket.ticket_code,
                entitlements=entitlements,
                **qr_of(ticket.token, is_test=is_test),
            )
            for ticket in batch.tickets
        ],
        total_generated=len(batch.tickets),
        product_id=batch.product_id,
        price=batch.price,
        currency=batch.currency,
        valid_until=batch.valid_until,
        usable_days=batch.usable_days,
        usable_until=batch.usable_until,
        metadata=batch.metadata,
        reservation_id=batch.reservation_id,
        created_at=batch.created_at,
    )

"""`POST /api/ota/tickets/{code}/activate`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from premade.activation import customer
from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.activation.refusals import AlreadyActivated
from premade.http.endpoint import Reply
from premade.http.fields import ONE_LINE_PATTERN, AnswerModel, IdempotencyKey, Money, RequestModel, Timestamp
from premade.http.problems import documented
from premade.orders import erased_customer
from premade.partners.call import Call, partner_router, partner_with
from premade.runtime.batching import QueueFull
from premade.runtime.errors import IdempotencyKeyReused
from premade.tickets.lookup import TicketUnknown
from premade.tickets.refusals import TicketCancelled, TicketExpired
from premade.tickets.routes import TicketCode

router = partner_router("OTA Integration")

_PHONE = r"^\s*[ .()/-]*\+[ .()/-]*[1-9]([ .()/-]*[0-9]){6,15}[ .()/-]*\s*$"


class CustomerDetails(RequestModel):
    """Customer of an activation."""

    name: Annotated[str, AfterValidator(customer.name)] = Field(
        description=f"Name in any script, 1 to {customer.NAME_CHARACTERS_MAX} characters on one line. The service removes "
        "blanks around it and stores it composed (NFC).",
        examples=["John Smith"],
        json_schema_extra={
            "minLength": 1,
            "maxLength": customer.NAME_CHARACTERS_MAX,
            "pattern": ONE_LINE_PATTERN,
        },
    )
    email: Annotated[str, AfterValidator(customer.email)] = Field(
        description=f"E-mail address of at most {customer.EMAIL_OCTETS_MAX} octets, {customer.EMAIL_LOCAL_OCTETS_MAX} of them "
        "before the '@'. The local part can be in any script, or in quotes.",
        examples=["john.smith@example.com"],
        json_schema_extra={"format": "email", "maxLength": customer.EMAIL_OCTETS_MAX},
    )
    phone: Annotated[str, AfterValidator(customer.phone)] = Field(
        description="Phone number: '+', an existing country calling code and the number, 7 to 15 digits in all. The service "
        "removes blanks, dots, dashes, slashes, parentheses and a trunk prefix, as in +44 (0)20. It stores E.164.",
        examples=["+1234567890"],
        json_schema_extra={"pattern": _PHONE},
    )


class ActivateRequest(RequestModel):
    """Customer and payment of an activation."""

    customer_details: CustomerDetails
    payment_reference: Annotated[str, AfterValidator(customer.payment_reference)] = Field(
        description="OTA payment transaction reference: "
        f"1 to {customer.PAYMENT_REFERENCE_CHARACTERS_MAX} printable characters. The service removes blanks around it.",
        examples=["PAY-OTA-2025-001"],
        json_schema_extra={
            "minLength": 1,
            "maxLength": customer.PAYMENT_REFERENCE_CHARACTERS_MAX,
            "pattern": ONE_LINE_PATTERN,
        },
    )


class ActivateAnswer(AnswerModel):
    """Activated ticket with its order."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    order_id: str = Field(examples=["ORD-1762274304824"])
    customer_name: str = Field(examples=["John Smith"])
    status: Literal["ACTIVE"] = "ACTIVE"
    activated_at: Timestamp
    payment_reference: str = Field(examples=["PAY-OTA-2025-001"])
    total_amount: Money = Field(description="Price of the ticket at generation")
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    customer_erased_at: Timestamp | None = Field(
        default=None,
        exclude_if=lambda moment: moment is None,
        description=erased_customer.EXPLAINED_TO_RETRIES,
    )


@router.post(
    "/api/ota/tickets/{code}/activate",
    summary="Activate pre-made ticket with customer details",
    description="Activate a ticket for a customer and create its order. A ticket can be activated once.",
    response_description="Ticket successfully activated",
    response_model=ActivateAnswer,
    responses=documented(
        TicketUnknown, AlreadyActivated, TicketExpired, TicketCancelled, IdempotencyKeyReused, QueueFull
    ),
)
async def activate(
    call: Annotated[Call, partner_with("tickets:activate")],
    code: TicketCode,
    body: ActivateRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Activate a ticket for a customer and create its order."""
    details = body.customer_details
    activated = await call.use(Activator).activate(
        Activation(
            caller=call.caller,
            request_id=call.request_id,
            ticket_code=code,
            customer_name=details.name,
            customer_email=details.email,
            customer_phone=details.phone,
            payment_reference=body.payment_reference,
            idempotency_key=idempotency_key,
        )
    )
    answer = ActivateAnswer(
        ticket_code=activated.ticket_code,
        order_id=activated.order_id,
        customer_name=activated.customer_name,
        activated_at=activated.activated_at,
        payment_reference=activated.payment_reference,
        total_amount=activated.total_amount,
        currency=activated.currency,
        customer_erased_at=activated.customer_erased_at,
    )
    return Reply(answer, replayed=activated.replayed)

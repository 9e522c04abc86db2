"""The catalogue of audit events. A new event is a new class here.

No field has anything of a customer: customers are found through the order. Staff are ids, and the address of their browser.
"""

from dataclasses import dataclass
from datetime import date, datetime

from premade.audit.event import Audience, AuditEvent, Catalogue, FromClient, ReasonGiven
from premade.audit.event_fields import EntitlementLeft, ErasureCause, OtherScan, SignInMethod, SignInRefusal

CATALOGUE = Catalogue()
PARTNER = Audience.PARTNER


@CATALOGUE.event("partner.added", "Partner added", "Partner {partner} was added on channel {channel}.")
class PartnerAdded(FromClient):
    channel: str


@CATALOGUE.event(
    "partner.changed",
    "Partner changed",
    "Partner {partner} can reserve stock for at most {reservation_hours_max} hours.",
)
class PartnerChanged(FromClient):
    reservation_hours_max: int


@CATALOGUE.event(
    "partner.limits_changed",
    "Partner limits changed",
    "Limits of partner {partner} were changed: {limits}.",
)
class PartnerLimitsChanged(FromClient):
    limits: list[str]


@CATALOGUE.event("partner.renamed", "Partner renamed", "Partner {before} is now named {name}.")
class PartnerRenamed(FromClient):
    before: str
    name: str


@CATALOGUE.event(
    "partner.disabled", "Partner disabled", "Partner {partner} was disabled. Its keys no longer work."
)
class PartnerDisabled(FromClient): ...


@CATALOGUE.event("partner.enabled", "Partner enabled", "Partner {partner} was enabled again.")
class PartnerEnabled(FromClient): ...


@CATALOGUE.event(
    "key.created",
    "API key created",
    "API key {key_id} of {partner} was created: {permissions}.",
    also={"label": "Its label is {label}.", "networks": "It works from {networks}."},
)
class KeyCreated(FromClient):
    key_id: int
    permissions: list[str]
    label: str | None = None
    networks: list[str] | None = None


@CATALOGUE.event(
    "key.changed",
    "API key changed",
    "API key {key_id} of {partner} has the label “{label}” and these allowed networks: {networks}.",
)
class KeyChanged(FromClient):
    key_id: int
    label: str
    networks: list[str]
    """Empty: it works from everywhere."""


@CATALOGUE.event(
    "key.rotated", "API key rotated", "API key {key_id} of {partner} replaces key {rotated_from}."
)
class KeyRotated(FromClient):
    key_id: int
    rotated_from: int
    overlap_seconds: int


@CATALOGUE.event("key.revoked", "API key revoked", "API key {key_id} of {partner} was revoked.")
class KeyRevoked(FromClient):
    key_id: int


@dataclass(frozen=True, kw_only=True)
class GateDeviceEvent(FromClient):
    """A change of a gate device. `owner`: the actor of an API key, or `console`."""

    gate_device_id: int
    owner: str
    device_id: str


@CATALOGUE.event(
    "gate_device.approved",
    "Gate device approved",
    "Gate device {gate_device_id} ({device_id}) was approved. It can redeem tickets.",
)
class GateDeviceApproved(GateDeviceEvent): ...


@CATALOGUE.event(
    "gate_device.revoked",
    "Gate device revoked",
    "Gate device {gate_device_id} ({device_id}) was revoked. It can no longer redeem tickets.",
)
class GateDeviceRevoked(GateDeviceEvent): ...


@dataclass(frozen=True, kw_only=True)
class ProductEvent(AuditEvent):
    """A product as it is after the event."""

    product_id: int
    name: str
    ticket_type: str
    price: str
    """With all decimals of the currency."""
    currency: str
    functions: dict[str, int]
    """Uses by function."""
    code_prefix: str
    usable_days: int | None
    usable_until: date | None
    cancellation: str
    names: dict[str, str] | None = None
    """Names by language tag, if it has any."""


@CATALOGUE.event(
    "product.added", "Product added", "Product {product_id}, {name}, was added at {price} {currency}."
)
class ProductAdded(ProductEvent): ...


@CATALOGUE.event(
    "product.changed", "Product changed", "Product {product_id} is now {name}, at {price} {currency}."
)
class ProductChanged(ProductEvent): ...


@CATALOGUE.event(
    "product.function_named", "Function named", "The names of function {function_code} were set."
)
class FunctionNamed(AuditEvent):
    function_code: str
    names: dict[str, str]
    """By language tag."""


@CATALOGUE.event(
    "allotment.set",
    "Stock set",
    "Channel {channel} has {allotted} tickets of product {product_id} in total. {available} were available.",
)
class AllotmentSet(AuditEvent):
    product_id: int
    channel: str
    allotted: int
    issued: int
    held: int
    available: int


@CATALOGUE.event(
    "reservation.made",
    "Reservation made",
    "{partner} reserved {quantity} of product {product_id}: {reservation_id}.",
    seen_by=PARTNER,
)
class ReservationMade(AuditEvent):
    reservation_id: str
    product_id: int
    quantity: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class _ReservationEnd(AuditEvent):
    reservation_id: str
    product_id: int
    held: int
    """Tickets that the reservation still held. They are available again."""


@CATALOGUE.event(
    "reservation.released",
    "Reservation released",
    "{partner} released {held} of product {product_id} from {reservation_id}.",
    seen_by=PARTNER,
)
class ReservationReleased(_ReservationEnd): ...


@CATALOGUE.event(
    "reservation.expired",
    "Reservation expired",
    "{reservation_id} of {partner} expired. Its {held} of product {product_id} are available again.",
    seen_by=PARTNER,
)
class ReservationExpired(_ReservationEnd): ...


@CATALOGUE.event(
    "ticket.activated",
    "Ticket activated",
    "Ticket {ticket} was activated by order {order}.",
    seen_by=PARTNER,
)
class TicketActivated(AuditEvent):
    payment_reference: str | None
    """None if it names the customer."""
    issue_number: int | None = None
    """Like `signing_key_id`, of an order of several tickets only: a replay signs the QR again."""
    signing_key_id: str | None = None


@CATALOGUE.event(
    "ticket.redeemed",
    "Ticket redeemed",
    "{uses} of {function_code} of ticket {ticket} redeemed at {device_id}.",
    seen_by=PARTNER,
    also={"days_late": "The device uploaded the scan {days_late} days after the ticket's last day."},
)
class TicketRedeemed(AuditEvent):
    function_code: str
    uses: int
    device_id: str
    scan_id: str
    entry: str
    entitlements: list[EntitlementLeft]
    """What was left afterwards."""
    status: str
    synced_at: datetime | None = None
    """Time of the upload. Only of an offline scan."""
    uploaded_by: str | None = None
    """The actor that uploaded the scan, if it is not the one who scanned."""
    days_late: int | None = None


@CATALOGUE.event(
    "ticket.redemption_conflict",
    "Conflict at the gate",
    "{device_id} admitted ticket {ticket} offline, but the ticket was not valid: {reason}.",
)
class RedemptionConflict(AuditEvent):
    code: str
    """Of the problem that the scan met."""
    reason: str
    """The detail of the problem."""
    device_id: str
    scan_id: str
    scanned_at: str | None
    """RFC 3339. None for a text that is no time."""
    function_code: str
    uses: int
    other: OtherScan | None
    uploaded_by: str | None = None


@CATALOGUE.event("ticket.cancelled", "Ticket cancelled", "Ticket {ticket} was cancelled.", seen_by=PARTNER)
class TicketCancellation(ReasonGiven):
    order_status: str | None = None
    """Status of the order after the cancellation. None for an unsold ticket."""
    beginning: int | None = None
    """Id of the event that began the cancellation of the whole batch."""


@CATALOGUE.event("order.cancelled", "Order cancelled", "Order {order} was cancelled.", seen_by=PARTNER)
class OrderCancellation(ReasonGiven):
    ticket_codes: list[str]
    """The tickets that were cancelled with it. Others were cancelled before."""


@CATALOGUE.event(
    "ticket.reissued",
    "Ticket reissued",
    "Ticket {ticket} got a new QR, issue {issue_number}.",
    seen_by=PARTNER,
)
class TicketReissued(ReasonGiven):
    issue_number: int
    signing_key_id: str
    status: str
    entitlements: list[EntitlementLeft]


@CATALOGUE.event(
    "ticket.expired",
    "Ticket expired",
    "Ticket {ticket} was not sold by {valid_until} and expired.",
    seen_by=PARTNER,
)
class TicketExpiry(AuditEvent):
    valid_until: date


@CATALOGUE.event("ticket.qr_viewed", "QR viewed", "The QR of ticket {ticket} was viewed.")
class TicketQrViewed(FromClient): ...


@CATALOGUE.event("ticket.customer_viewed", "Customer viewed", "The customer of order {order} was viewed.")
class TicketCustomerViewed(FromClient): ...


@CATALOGUE.event(
    "ticket.customer_exported", "Customer exported", "The customer's data of order {order} were exported."
)
class TicketCustomerExported(FromClient): ...


@CATALOGUE.event(
    "ticket.customer_erased",
    "Customer erased",
    "The customer's contact data of order {order} were erased: {cause}.",
)
class TicketCustomerErased(FromClient):
    cause: ErasureCause


@dataclass(frozen=True, kw_only=True)
class _BatchEvent(AuditEvent):
    product_id: int
    quantity: int
    reservation_id: str | None = None


@CATALOGUE.event(
    "batch.generated",
    "Batch generated",
    "Batch {batch} of {partner} was generated: {quantity} tickets.",
    seen_by=PARTNER,
)
class BatchGenerated(_BatchEvent): ...


@CATALOGUE.event(
    "batch.generation_begun",
    "Batch generation started",
    "The generation of batch {batch} of {partner} was started: {quantity} tickets.",
    seen_by=PARTNER,
)
class BatchGenerationBegun(_BatchEvent): ...


@CATALOGUE.event(
    "batch.generation_stopped",
    "Batch generation stopped",
    "The generation of batch {batch} was stopped after {made} tickets. The stock of {unmade} is available again.",
    seen_by=PARTNER,
)
class BatchGenerationStopped(ReasonGiven):
    product_id: int
    made: int
    unmade: int


@CATALOGUE.event(
    "batch.cancellation_begun",
    "Batch cancellation started",
    "The cancellation of the unused tickets of batch {batch} was started.",
    seen_by=PARTNER,
)
class BatchCancellationBegun(ReasonGiven):
    unmade: int | None = None
    """Tickets that were still to be generated, if any."""


@CATALOGUE.event(
    "batch.cancelled",
    "Batch cancelled",
    "{cancelled} unused tickets of batch {batch} were cancelled.",
    seen_by=PARTNER,
)
class BatchCancellation(ReasonGiven):
    cancelled: int
    left_alone: dict[str, int]
    """Number of the other tickets by state."""
    unmade: int | None = None


@CATALOGUE.event(
    "batch.exported", "Batch exported", "Tickets of batch {batch} of {partner} were exported: {format}."
)
class BatchExported(AuditEvent):
    format: str
    part: int | None = None
    states: list[str] | None = None
    """None for all."""


@CATALOGUE.event("signing_key.added", "Signing key added", "Signing key {signing_key_id} signs new QRs.")
class SigningKeyAdded(AuditEvent):
    signing_key_id: str


@CATALOGUE.event(
    "signing_key.retired",
    "Signing key retired",
    "Signing key {signing_key_id} is retired. Its QRs are no longer valid.",
)
class SigningKeyRetired(AuditEvent):
    signing_key_id: str


@CATALOGUE.event(
    "signing_key.sealed",
    "Signing keys sealed",
    "The signing keys {signing_key_ids} are encrypted with the current master key.",
)
class SigningKeysSealed(AuditEvent):
    signing_key_ids: list[str]


@CATALOGUE.event(
    "database.restored",
    "Database restored",
    "The database was restored, copied or promoted ({noticed_by}). New QRs are signed by {signing_key_ids}.",
)
class DatabaseRestoration(AuditEvent):
    noticed_by: str
    signing_key_ids: list[str]
    clock_lead_seconds: int


@dataclass(frozen=True, kw_only=True)
class _MonthOfEvents(AuditEvent):
    month: str
    """`2025-12`, in UTC."""
    events: int


@CATALOGUE.event(
    "database.events_archived", "Events archived", "The {events} events of {month} were moved to the archive."
)
class EventsArchived(_MonthOfEvents): ...


@CATALOGUE.event(
    "database.events_restored",
    "Events restored",
    "The {events} events of {month} were restored from the archive.",
)
class EventsRestored(_MonthOfEvents): ...


@dataclass(frozen=True, kw_only=True)
class _StaffEvent(FromClient):
    staff_id: int


@CATALOGUE.event("staff.added", "Staff added", "{staff_id} was added with the role {role}.")
class StaffAdded(_StaffEvent):
    role: str


@CATALOGUE.event(
    "staff.password_set", "Password set", "{staff_id} got a new password and was signed out everywhere."
)
class StaffPasswordSet(_StaffEvent): ...


@CATALOGUE.event("staff.role_set", "Role set", "{staff_id} now has the role {role}.")
class StaffRoleSet(_StaffEvent):
    role: str


@CATALOGUE.event("staff.disabled", "Staff disabled", "{staff_id} was disabled and signed out everywhere.")
class StaffDisabled(_StaffEvent): ...


@CATALOGUE.event("staff.enabled", "Staff enabled", "{staff_id} was enabled again.")
class StaffEnabled(_StaffEvent): ...


@CATALOGUE.event("staff.second_factor_set", "Second factor set up", "{staff_id} set up an authenticator app.")
class SecondFactorSet(_StaffEvent): ...


@CATALOGUE.event(
    "staff.second_factor_removed", "Second factor removed", "The authenticator app of {staff_id} was removed."
)
class SecondFactorRemoved(_StaffEvent): ...


@CATALOGUE.event("staff.recovery_code_used", "Recovery code used", "A recovery code of {staff_id} was used.")
class RecoveryCodeUsed(_StaffEvent): ...


@CATALOGUE.event(
    "staff.provider_linked",
    "Provider account linked",
    "{staff_id} can sign in with an account of the identity provider.",
)
class ProviderAccountLinked(_StaffEvent): ...


@CATALOGUE.event(
    "staff.provider_unlinked",
    "Provider account unlinked",
    "{staff_id} can no longer sign in with an account of the identity provider.",
)
class ProviderAccountUnlinked(_StaffEvent): ...


@CATALOGUE.event(
    "staff.signed_in",
    "Signed in",
    "Signed in.",
    also={"method": "Identified {method}."},
)
class StaffSignedIn(FromClient):
    method: SignInMethod | None = None


@CATALOGUE.event("staff.signed_out", "Signed out", "Signed out.")
class StaffSignedOut(FromClient):
    everywhere: bool


@CATALOGUE.event(
    "staff.sign_in_refused",
    "Sign-in refused",
    "Somebody tried to sign in as {staff_id}: {reason}.",
)
class StaffSignInRefused(FromClient):
    reason: SignInRefusal
    staff_id: int | None
    """None for a name that nobody has."""

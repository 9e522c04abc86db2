"""Requests and answers at the gate, for the API and for the console's gate page."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from premade.http.endpoint import field_errors
from premade.http.fields import AnswerModel, Moment, RequestModel, Timestamp
from premade.redemption.gate import ShownQr, ShownTicket, TypedCode, WantedUse
from premade.redemption.gate_pass import PASS_CHARACTERS_MAX
from premade.redemption.offline_scan import ConflictCode, Offline, Unreadable
from premade.redemption.rules import PHONE_DIGITS, PHONE_DIGITS_MAX
from premade.redemption.scan import NAME_PATTERN, name_of_device_or_scan
from premade.redemption.sync import REDEMPTIONS_MAX
from premade.runtime.errors import FieldError
from premade.tickets.answers import Entitlement
from premade.tickets.ticket import Status
from premade.values.validation_messages import pattern_in_words

USES_MAX = 10_000
QR_CHARACTERS_MAX = 4_296
"""What the largest QR code holds of its alphanumeric set: another's code is answered QR_INVALID, not 400."""
TICKET_CODE_CHARACTERS_MAX = 64
_FUNCTION_CODE = pattern_in_words(
    r"^[a-z][a-z0-9_]{0,63}$",
    "Must be 1 to 64 characters a to z, 0 to 9 and '_', and begin with a letter, such as ferry",
)
_LAST_DIGITS = pattern_in_words(
    rf"^[0-9]{{{PHONE_DIGITS},{PHONE_DIGITS_MAX}}}$",
    f"Must be {PHONE_DIGITS} to {PHONE_DIGITS_MAX} digits, 0 to 9",
)
_EXAMPLE_TOKEN = (
    "PM1:CRUISE-2025-FERRY-1762274285982:1:K1:"  # noqa: S105  (an example)
    "UGIL9DHT$I8V:XN0VQ4WT4Q8VU6CW2HAK4QGVLH1D2NEMP/ZA93T-TDDKIHLO4HR60TXA4HGEIEZ+CZFN*-FYVPGY8*UHQB1"
)

DeviceId = Annotated[
    str,
    AfterValidator(name_of_device_or_scan),
    Field(
        description="The scanner, by a name that no other has",
        examples=["GATE-1"],
        json_schema_extra={"pattern": f"^{NAME_PATTERN}$"},
    ),
]
ScanId = Annotated[
    str,
    AfterValidator(name_of_device_or_scan),
    Field(
        description="A new one for each scan of the device: the same scan sent again is answered the same",
        examples=["scan-000001"],
        json_schema_extra={"pattern": f"^{NAME_PATTERN}$"},
    ),
]
Qr = Annotated[
    str,
    Field(
        min_length=1,
        max_length=QR_CHARACTERS_MAX,
        description="The text inside the QR code, as it was read",
        examples=[_EXAMPLE_TOKEN],
    ),
]
FunctionCode = Annotated[
    str, Field(pattern=_FUNCTION_CODE, description="What it is used for", examples=["ferry"])
]
Uses = Annotated[int, Field(ge=1, le=USES_MAX, description="How many at once", examples=[1])]


class ShownAtGate(RequestModel):
    """A ticket that is shown: its QR, or its code with the last digits of the customer's phone number."""

    device_id: DeviceId
    ticket_code: str | None = Field(
        default=None,
        max_length=TICKET_CODE_CHARACTERS_MAX,
        description="Typed in, in place of `qr`; with `phone_last4`. Needs the permission `gate:manual-entry` too.",
    )
    phone_last4: str | None = Field(
        default=None,
        validate_default=True,
        description=f"The last digits of the customer's phone number; with `ticket_code`. {PHONE_DIGITS}, or more where "
        "the operator asks for more (PREMADE_MANUAL_ENTRY_DIGITS). The whole number is accepted too.",
        pattern=_LAST_DIGITS,
    )
    qr: Qr | None = Field(default=None, validate_default=True)

    @field_validator("phone_last4")
    @classmethod
    def _with_the_code(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("ticket_code") is not None:
            message = "Required with ticket_code"
            raise ValueError(message)
        return value

    @field_validator("qr")
    @classmethod
    def _in_one_way(cls, value: str | None, info: ValidationInfo) -> str | None:
        is_typed = info.data.get("ticket_code") is not None
        if value is None and "ticket_code" in info.data and not is_typed:
            message = "Required, or ticket_code with phone_last4 in its place"
            raise ValueError(message)
        if value is not None and is_typed:
            message = "Give either qr or ticket_code, not both"
            raise ValueError(message)
        return value


class RedeemRequest(ShownAtGate):
    """What is used up, and by which scan."""

    function_code: FunctionCode
    uses: Uses = 1
    scan_id: ScanId


class RedeemAnswer(AnswerModel):
    """What is left of the ticket."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    status: Literal["ACTIVE", "USED"] = Field(description="USED with the last use of all")
    function_code: str = Field(examples=["ferry"])
    used: int = Field(description="How many were used up by this scan", examples=[1])
    remaining: int = Field(description="How many of this function are left", examples=[1])
    entitlements: list[Entitlement]
    redeemed_at: Timestamp
    message: str = Field(description="What a guard can say aloud", examples=["Welcome: 1 of ferry, 1 left."])


def _moment_or_none(value: Any, check: ValidatorFunctionWrapHandler) -> datetime | None:
    """Return None for a text that is not a time: a device with a wrong clock sent it, and it becomes CLOCK_WRONG."""
    try:
        return check(value)
    except ValidationError:
        if isinstance(value, str):
            return None
        raise


class OfflineRedemption(RequestModel):
    """One use that the device allowed by itself."""

    scan_id: ScanId
    qr: Qr
    function_code: FunctionCode
    uses: Uses = 1
    scanned_at: Annotated[Moment | None, WrapValidator(_moment_or_none)] = Field(
        description="Time by the device's clock. In the future or not a time: CLOCK_WRONG. Too long ago: SCAN_TOO_OLD"
    )


_ENTRY = re.compile(r"#/redemptions/([0-9]+)")


def _within(error: FieldError, start: int) -> FieldError:
    """Return the error with a pointer relative to its entry."""
    return FieldError(error.pointer[start:].lstrip("/") or "entry", error.detail)


def _scan_id_of(entry: Any) -> str | None:
    scan_id = entry.get("scan_id") if isinstance(entry, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return scan_id if isinstance(scan_id, str) else None


def entry_by_itself(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Return the entry, or Unreadable if it is invalid, so that one bad entry never blocks a device's queue."""
    if isinstance(value, Unreadable):
        return value
    try:
        return check(value)
    except ValidationError as error:
        return Unreadable(_scan_id_of(value), [_within(each, 2) for each in field_errors(error, "#")])


class SyncRequest(RequestModel):
    """What a device did while it was away, in the order in which it did."""

    device_id: DeviceId
    redemptions: list[Annotated[OfflineRedemption, WrapValidator(entry_by_itself)]] = Field(
        min_length=1,
        max_length=REDEMPTIONS_MAX,
        description="Each entry has its own answer. An entry that does not match this schema is answered as ENTRY_INVALID.",
    )

    @classmethod
    def excuse_traps(cls, value: Any, traps: list[FieldError]) -> list[FieldError]:
        """Treat what JSON allows and this service does not (a NUL, a repeated name) as an error of its entry alone."""
        entries = value.get("redemptions") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        if not isinstance(entries, list):
            return traps
        of_entries: dict[int, list[FieldError]] = {}
        others: list[FieldError] = []
        for trap in traps:
            place = _ENTRY.match(trap.pointer)
            if place and int(place[1]) < len(entries):  # pyright: ignore[reportUnknownArgumentType]
                of_entries.setdefault(int(place[1]), []).append(_within(trap, place.end()))
            else:
                others.append(trap)
        for place, errors in of_entries.items():
            entries[place] = Unreadable(_scan_id_of(entries[place]), errors)
        return others


class GuardedRedemption(OfflineRedemption):
    """One scan that the device admitted without network, and the proof of who scanned."""

    guard: str | None = Field(
        default=None,
        max_length=PASS_CHARACTERS_MAX,
        description="The proof of the session in which it was scanned",
    )


class GuardedSyncRequest(SyncRequest):
    """The offline scans of a device, in their order, by whoever worked on it then."""

    redemptions: list[Annotated[GuardedRedemption, WrapValidator(entry_by_itself)]] = Field(  # type: ignore[assignment]
        min_length=1, max_length=REDEMPTIONS_MAX
    )


class ScanSeen(AnswerModel):
    """A scan, by where and when it was."""

    device_id: str = Field(examples=["GATE-1"])
    scan_id: str | None = Field(description="null if the device sent none", examples=["scan-000001"])
    at: str | None = Field(
        description="null if the device sent no time",
        examples=["2025-11-04T08:40:00.000Z"],
        json_schema_extra={"format": "date-time"},
    )


class SyncedScan(AnswerModel):
    """What came of one scan."""

    scan_id: str | None = Field(
        description="As the device sent it; null if it sent none", examples=["scan-000001"]
    )
    outcome: Literal["accepted", "conflict"]
    ticket_code: str | None = Field(
        default=None,
        description="null when there is none for this key",
        examples=["CRUISE-2025-FERRY-1762274285982"],
    )
    status: Literal["ACTIVE", "USED"] | None = Field(
        default=None, description="Of the ticket, after an accepted one"
    )
    remaining: int | None = Field(
        default=None, description="How many of this function were left after an accepted one", examples=[1]
    )
    redeemed_at: Timestamp | None = Field(
        default=None,
        description="When it was used; of a conflict null",
        examples=["2025-11-04T08:40:00.000Z"],
    )
    code: ConflictCode | None = Field(default=None, description="Why it is a conflict")
    message: str = Field(examples=["Welcome: 1 of ferry, 1 left."])
    this_scan: ScanSeen | None = Field(default=None, description="Of a conflict, this scan")
    other_scan: ScanSeen | None = Field(
        default=None, description="Of a conflict, the scan that used the ticket, if one did"
    )
    is_replayed: bool = Field(description="Whether it was sent before, and settled then", examples=[False])


class SyncAnswer(AnswerModel):
    """What came of each scan, in the order of the request."""

    device_id: str = Field(examples=["GATE-1"])
    accepted: int = Field(examples=[1])
    conflicts: int = Field(examples=[0])
    results: list[SyncedScan]


class InspectAnswer(AnswerModel):
    """A ticket as it is now, and whether it would be let in."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    product_name: str = Field(examples=["Harbour Cruise Premium"])
    status: Status
    entitlements: list[Entitlement]
    usable_until: date | None = Field(
        description="The last day of use, in the operator's time zone; null without one",
        examples=["2099-12-31"],
    )
    first_used_at: Timestamp | None = Field(description="null until the first entitlement is used")
    customer_initials: str | None = Field(
        description="Of the customer's name; null until the ticket is activated", examples=["J. S."]
    )
    is_admitted: bool = Field(description="Whether a scan would be let in now", examples=[True])
    refusal: str | None = Field(
        description="The code with which a scan would be refused", examples=["USED_UP"]
    )
    message: str = Field(description="What a guard can say aloud", examples=["This ticket is good."])


def shown_of(wanted: ShownAtGate) -> ShownTicket:
    """Translate a request: what the bearer shows."""
    if wanted.qr is not None:
        return ShownQr(wanted.qr)
    assert wanted.ticket_code is not None
    assert wanted.phone_last4 is not None
    return TypedCode(wanted.ticket_code, wanted.phone_last4)


def use_of(wanted: RedeemRequest) -> WantedUse:
    """Translate a request: what is to be redeemed."""
    return WantedUse(wanted.function_code, wanted.uses, wanted.scan_id)


def entries_of(wanted: SyncRequest) -> list[Offline | Unreadable]:
    """Translate a request: the entries of an upload, in their order."""
    return [_entry(each) for each in cast("list[object]", wanted.redemptions)]


def _entry(entry: object) -> Offline | Unreadable:
    if not isinstance(entry, OfflineRedemption):
        return cast("Unreadable", entry)
    return Offline(
        scan_id=entry.scan_id,
        qr=entry.qr,
        function_code=entry.function_code,
        uses=entry.uses,
        scanned_at=entry.scanned_at,
        guard_pass=entry.guard if isinstance(entry, GuardedRedemption) else None,
    )

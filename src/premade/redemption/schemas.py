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

from premade.devices.device_id import NAME_PATTERN, name_of_device_or_scan
from premade.http.endpoint import field_errors
from premade.http.fields import AnswerModel, Moment, RequestModel, Timestamp
from premade.redemption.gate import CodeAndDigits, Presentation, QrText, UseRequest
from premade.redemption.guard_proof import PROOF_CHARACTERS_MAX
from premade.redemption.offline_scan import ConflictCode, InvalidEntry, OfflineScan
from premade.redemption.rules import PHONE_DIGITS, PHONE_DIGITS_MAX
from premade.redemption.sync import REDEMPTIONS_MAX
from premade.runtime.errors import FieldError
from premade.texts.fields import field_text
from premade.tickets.answers import Entitlement
from premade.tickets.ticket import Status
from premade.values.validation_messages import pattern_in_words

USES_MAX = 10_000
QR_CHARACTERS_MAX = 4_296
"""Capacity of the largest QR code in alphanumeric mode, so that any foreign code gets QR_INVALID, not 400."""
TICKET_CODE_CHARACTERS_MAX = 64
_FUNCTION_CODE = pattern_in_words(
    r"^[a-z][a-z0-9_]{0,63}$",
    "gate.function_code",
)
_LAST_DIGITS = pattern_in_words(
    rf"^[0-9]{{{PHONE_DIGITS},{PHONE_DIGITS_MAX}}}$",
    "gate.last_digits",
    least=PHONE_DIGITS,
    most=PHONE_DIGITS_MAX,
)
_EXAMPLE_TOKEN = (
    "PM1:CRUISE-2025-FERRY-1762274285982:1:K1:"  # noqa: S105  (an example)
    "UGIL9DHT$I8V:XN0VQ4WT4Q8VU6CW2HAK4QGVLH1D2NEMP/ZA93T-TDDKIHLO4HR60TXA4HGEIEZ+CZFN*-FYVPGY8*UHQB1"
)

DeviceId = Annotated[
    str,
    AfterValidator(name_of_device_or_scan),
    Field(
        description="Unique name of the scanner within its API key",
        examples=["GATE-1"],
        json_schema_extra={"pattern": f"^{NAME_PATTERN}$"},
    ),
]
ScanId = Annotated[
    str,
    AfterValidator(name_of_device_or_scan),
    Field(
        description="New for each scan of the device. The same scan sent again gets the same response.",
        examples=["scan-000001"],
        json_schema_extra={"pattern": f"^{NAME_PATTERN}$"},
    ),
]
Qr = Annotated[
    str,
    Field(
        min_length=1,
        max_length=QR_CHARACTERS_MAX,
        description="Text of the QR code, as the scanner read it",
        examples=[_EXAMPLE_TOKEN],
    ),
]
FunctionCode = Annotated[
    str, Field(pattern=_FUNCTION_CODE, description="Function to redeem", examples=["ferry"])
]
Uses = Annotated[int, Field(ge=1, le=USES_MAX, description="Number of uses to redeem", examples=[1])]


class ShownAtGate(RequestModel):
    """Presented ticket: its QR, or its code with the last digits of the customer's phone number."""

    device_id: DeviceId
    ticket_code: str | None = Field(
        default=None,
        max_length=TICKET_CODE_CHARACTERS_MAX,
        description="Ticket code from manual entry, together with `phone_last4` and instead of `qr`. Also needs the permission "
        "`gate:manual-entry`.",
    )
    phone_last4: str | None = Field(
        default=None,
        validate_default=True,
        description=f"Last {PHONE_DIGITS} digits of the customer's phone number, together with `ticket_code`. The operator can require "
        "more digits (PREMADE_MANUAL_ENTRY_DIGITS). The whole number is accepted too.",
        pattern=_LAST_DIGITS,
    )
    qr: Qr | None = Field(default=None, validate_default=True)

    @field_validator("phone_last4")
    @classmethod
    def _with_the_code(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("ticket_code") is not None:
            raise ValueError(field_text("gate.digits_required"))
        return value

    @field_validator("qr")
    @classmethod
    def _in_one_way(cls, value: str | None, info: ValidationInfo) -> str | None:
        is_typed = info.data.get("ticket_code") is not None
        if value is None and "ticket_code" in info.data and not is_typed:
            raise ValueError(field_text("gate.qr_required"))
        if value is not None and is_typed:
            raise ValueError(field_text("gate.qr_and_code"))
        return value


class RedeemRequest(ShownAtGate):
    """Presented ticket, function and scan of a redemption."""

    function_code: FunctionCode
    uses: Uses = 1
    scan_id: ScanId


class RedeemAnswer(AnswerModel):
    """Ticket after a redemption."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    status: Literal["ACTIVE", "USED"] = Field(description="USED after the last use of the last function")
    function_code: str = Field(examples=["ferry"])
    used: int = Field(description="Number of uses that this scan redeemed", examples=[1])
    remaining: int = Field(description="Remaining uses of this function", examples=[1])
    entitlements: list[Entitlement]
    redeemed_at: Timestamp
    message: str = Field(
        description="Sentence for the guard to say", examples=["Welcome: 1 of ferry, 1 left."]
    )


def _moment_or_none(value: Any, check: ValidatorFunctionWrapHandler) -> datetime | None:
    """Return None for a text that is not a time: a device with a wrong clock sent it, and it becomes CLOCK_WRONG."""
    try:
        return check(value)
    except ValidationError:
        if isinstance(value, str):
            return None
        raise


class OfflineRedemption(RequestModel):
    """Offline scan that the device admitted."""

    scan_id: ScanId
    qr: Qr
    function_code: FunctionCode
    uses: Uses = 1
    scanned_at: Annotated[Moment | None, WrapValidator(_moment_or_none)] = Field(
        description="Time of the scan by the device's clock. In the future or not a time: CLOCK_WRONG. Too old: SCAN_TOO_OLD."
    )


_ENTRY = re.compile(r"#/redemptions/([0-9]+)")


def _within(error: FieldError, start: int) -> FieldError:
    """Return the error with a pointer relative to its entry."""
    return FieldError(error.pointer[start:].lstrip("/") or "entry", error.detail)


def _scan_id_of(entry: Any) -> str | None:
    scan_id = entry.get("scan_id") if isinstance(entry, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return scan_id if isinstance(scan_id, str) else None


def entry_by_itself(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Return the entry, or an InvalidEntry, so that one bad entry never blocks a device's queue."""
    if isinstance(value, InvalidEntry):
        return value
    try:
        return check(value)
    except ValidationError as error:
        return InvalidEntry(_scan_id_of(value), [_within(item, 2) for item in field_errors(error, "#")])


class SyncRequest(RequestModel):
    """Offline scans of a device, in their order."""

    device_id: DeviceId
    redemptions: list[Annotated[OfflineRedemption, WrapValidator(entry_by_itself)]] = Field(
        min_length=1,
        max_length=REDEMPTIONS_MAX,
        description="Offline scans. Each has its own result. An entry that does not match this schema gets ENTRY_INVALID.",
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
            entries[place] = InvalidEntry(_scan_id_of(entries[place]), errors)
        return others


class GuardedRedemption(OfflineRedemption):
    """One scan that the device admitted without network, and the proof of who scanned."""

    guard: str | None = Field(
        default=None,
        max_length=PROOF_CHARACTERS_MAX,
        description="The proof of the session in which it was scanned",
    )


class GuardedSyncRequest(SyncRequest):
    """The offline scans of a device in their order, each with the proof of its guard."""

    redemptions: list[Annotated[GuardedRedemption, WrapValidator(entry_by_itself)]] = Field(  # type: ignore[assignment]
        min_length=1, max_length=REDEMPTIONS_MAX
    )


class ScanSeen(AnswerModel):
    """Device, scan_id and time of a scan."""

    device_id: str = Field(examples=["GATE-1"])
    scan_id: str | None = Field(
        description="scan_id of the scan; null if the device sent none", examples=["scan-000001"]
    )
    at: str | None = Field(
        description="Time of the scan; null if the device sent none",
        examples=["2025-11-04T08:40:00.000Z"],
        json_schema_extra={"format": "date-time"},
    )


class SyncedScan(AnswerModel):
    """Result of one offline scan."""

    scan_id: str | None = Field(
        description="scan_id from the request; null if the device sent none", examples=["scan-000001"]
    )
    outcome: Literal["accepted", "conflict"]
    ticket_code: str | None = Field(
        default=None,
        description="Code of the ticket; null if this API key has no such ticket",
        examples=["CRUISE-2025-FERRY-1762274285982"],
    )
    status: Literal["ACTIVE", "USED"] | None = Field(
        default=None, description="State of the ticket after an accepted scan"
    )
    remaining: int | None = Field(
        default=None, description="Remaining uses of this function after an accepted scan", examples=[1]
    )
    redeemed_at: Timestamp | None = Field(
        default=None,
        description="Time of the redemption; null for a conflict",
        examples=["2025-11-04T08:40:00.000Z"],
    )
    code: ConflictCode | None = Field(
        default=None, description="Reason of the conflict; null for an accepted scan"
    )
    message: str = Field(examples=["Welcome: 1 of ferry, 1 left."])
    this_scan: ScanSeen | None = Field(default=None, description="For a conflict: this scan")
    other_scan: ScanSeen | None = Field(
        default=None, description="For a conflict: the scan that redeemed the ticket, if there is one"
    )
    is_replayed: bool = Field(
        description="Whether this scan already got its result in an earlier upload", examples=[False]
    )


class SyncAnswer(AnswerModel):
    """Results of the offline scans, in the order of the request."""

    device_id: str = Field(examples=["GATE-1"])
    accepted: int = Field(examples=[1])
    conflicts: int = Field(examples=[0])
    results: list[SyncedScan]


class InspectAnswer(AnswerModel):
    """Current state of a ticket, and whether the gate would admit it."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    product_name: str = Field(examples=["Harbour Cruise Premium"])
    status: Status
    entitlements: list[Entitlement]
    usable_until: date | None = Field(
        description="Last day of use in the operator's time zone; null if there is none",
        examples=["2099-12-31"],
    )
    first_used_at: Timestamp | None = Field(description="Time of the first redemption; null before it")
    customer_initials: str | None = Field(
        description="Initials of the customer's name; null before the activation, and after the customer was erased",
        examples=["J. S."],
    )
    is_admitted: bool = Field(description="Whether the gate would admit the ticket now", examples=[True])
    refusal: str | None = Field(
        description="Error code that a scan would get now; null if it would be admitted", examples=["USED_UP"]
    )
    message: str = Field(description="Sentence for the guard to say", examples=["This ticket is valid."])


def presentation_of(body: ShownAtGate) -> Presentation:
    """Return the presented ticket of a request."""
    if body.qr is not None:
        return QrText(body.qr)
    assert body.ticket_code is not None
    assert body.phone_last4 is not None
    return CodeAndDigits(body.ticket_code, body.phone_last4)


def use_of(body: RedeemRequest) -> UseRequest:
    """Return the uses that a request redeems."""
    return UseRequest(body.function_code, body.uses, body.scan_id)


def entries_of(body: SyncRequest) -> list[OfflineScan | InvalidEntry]:
    """Return the entries of an upload, in their order."""
    return [_entry(item) for item in cast("list[object]", body.redemptions)]


def _entry(entry: object) -> OfflineScan | InvalidEntry:
    if not isinstance(entry, OfflineRedemption):
        return cast("InvalidEntry", entry)
    return OfflineScan(
        scan_id=entry.scan_id,
        qr=entry.qr,
        function_code=entry.function_code,
        uses=entry.uses,
        scanned_at=entry.scanned_at,
        guard_proof=entry.guard if isinstance(entry, GuardedRedemption) else None,
    )

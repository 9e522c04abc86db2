"""Types of fields of audit events."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class EntitlementLeft:
    """A function of a ticket, with the uses that are left."""

    function_code: str
    remaining_uses: int


@dataclass(frozen=True)
class OtherScan:
    """The scan that used a ticket before."""

    device_id: str
    scan_id: str
    at: str
    """RFC 3339."""


class ErasureCause(StrEnum):
    """Why a customer was erased."""

    REQUEST = "request"
    """Somebody requested it."""
    RETENTION = "retention"
    """The time that the operator keeps contact data has passed."""

    @property
    def text(self) -> str:
        """For people."""
        return {
            ErasureCause.REQUEST: "by request",
            ErasureCause.RETENTION: "after the time that they are kept",
        }[self]


class SignInRefusal(StrEnum):
    """Why a sign-in was refused."""

    WRONG = "wrong"
    DISABLED = "disabled"
    TOO_MANY = "too_many"
    CODE = "code"

    @property
    def text(self) -> str:
        """For people."""
        return {
            SignInRefusal.WRONG: "the name or the password was wrong",
            SignInRefusal.DISABLED: "the password was right, but the member is disabled",
            SignInRefusal.TOO_MANY: "too many failed attempts for the name or from the address",
            SignInRefusal.CODE: "the password was right, but the code of the second factor was wrong",
        }[self]

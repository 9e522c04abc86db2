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
    NO_MEMBER = "no_member"
    PROVIDER_DISABLED = "provider_disabled"

    @property
    def text(self) -> str:
        """For people."""
        return {
            SignInRefusal.WRONG: "the name or the password was wrong",
            SignInRefusal.DISABLED: "the password was right, but the member is disabled",
            SignInRefusal.TOO_MANY: "too many failed attempts for the name or from the address",
            SignInRefusal.CODE: "the code of the second factor was wrong",
            SignInRefusal.NO_MEMBER: "the account of the identity provider belongs to no member",
            SignInRefusal.PROVIDER_DISABLED: "the identity provider was sure, but the member is disabled",
        }[self]


class SignInMethod(StrEnum):
    """What identified a member at sign-in."""

    PASSWORD = "password"  # noqa: S105  (a word)
    PROVIDER = "provider"

    @property
    def text(self) -> str:
        """For people."""
        return {SignInMethod.PASSWORD: "by password", SignInMethod.PROVIDER: "by the identity provider"}[self]

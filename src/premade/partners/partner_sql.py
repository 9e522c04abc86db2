"""Statements of `partner.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class PartnerRow:
    partner_id: int
    name: str
    channel: str
    is_test: bool
    reservation_hours_max: int
    created_at: datetime
    disabled_at: datetime | None


@dataclass(slots=True)
class ListedPartner(PartnerRow):
    working_keys: int
    last_used_at: datetime | None


@dataclass(slots=True)
class Channel:
    channel: str
    is_test: bool


@statement
def add_channel(*, channel: str, is_test: bool) -> None: ...


@statement
def add_partner(
    *, name: str, name_key: str, channel: str, is_test: bool, reservation_hours_max: int, now: datetime
) -> PartnerRow: ...


@statement
def partner_by_name(*, name: str, name_key: str) -> PartnerRow: ...


@statement
def name_of_key(*, name_key: str) -> str: ...


@statement
def rename(*, name: str, name_key: str, partner_id: int) -> PartnerRow: ...


@statement
def partner_by_id(*, partner_id: int) -> PartnerRow: ...


@statement
def page_of_partners(
    *, now: datetime, after_partner_id: int | None, sought: str | None, sought_key: str | None, rows: int
) -> ListedPartner: ...


@statement
def list_channels() -> Channel: ...


@statement
def list_partners() -> PartnerRow: ...


@statement
def set_disabled(*, disabled_at: datetime | None, partner_id: int) -> PartnerRow: ...


@statement
def set_reservation_hours(
    *, reservation_hours_max: int, partner_id: int, expected: int | None
) -> PartnerRow: ...

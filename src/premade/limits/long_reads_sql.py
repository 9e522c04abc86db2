"""Statements of `long_reads.sql`, and their rows."""

from uuid import UUID

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def take_place(*, partner_id: int, places: int, holder: UUID, seconds: float) -> int: ...


@statement
def renew_places(
    *, partner_ids: list[int], places: list[int], holders: list[UUID], seconds: float
) -> None: ...


@statement
def leave_place(*, partner_id: int, place: int, holder: UUID) -> None: ...

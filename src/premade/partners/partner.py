"""Partners: add, find, change, disable."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import PartnerAdded, PartnerChanged, PartnerDisabled, PartnerEnabled, PartnerRenamed
from premade.audit.record import record
from premade.partners import partner_sql as sql
from premade.partners.name_keys import correct_name_keys_in
from premade.postgres.database import Database, Transaction
from premade.postgres.keyset import Keyset
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, FieldError, Invalid, NotFound, RuleBroken
from premade.texts.fields import field_text
from premade.values.texts import cleaned, folded, isolated, one_line

LIVE_CHANNEL = "ota"
_NAME_TAKEN = ("partners_name_taken", "partners_name_key_taken")
NAME_CHARACTERS_MAX = 200
RESERVATION_HOURS_DEFAULT = 168
RESERVATION_HOURS_MAX = 8760


class _PartnerKey(NamedTuple):
    partner_id: int


ALL_PARTNERS = Keyset("all partners", _PartnerKey)
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NOT_IN_A_CHANNEL = re.compile(r"[^a-z0-9]+")


@dataclass(eq=False)
class PartnerUnknown(NotFound):
    """No partner has this name."""

    code = "PARTNER_UNKNOWN"

    reason: Literal["name", "id", "not_listed"]
    partner: str | int


@dataclass(eq=False)
class PartnerNameTaken(Conflict):
    """Another partner has this name."""

    code = "PARTNER_NAME_TAKEN"

    reason: Literal["same", "alike", "live"]
    name: str
    """The other partner's name, in quotes."""


@dataclass(eq=False)
class PartnerChangedMeanwhile(Conflict):
    """Somebody else changed the partner after you opened it."""

    code = "PARTNER_CHANGED_MEANWHILE"

    name: str
    hours_max: int | None
    """The limit that the form was based on."""


@dataclass(eq=False)
class ChannelIsOtherKind(Conflict):
    """A channel is either live or for tests, so that test sales never use live stock."""

    code = "CHANNEL_IS_OTHER_KIND"

    channel: str


def _test_channel(name: str) -> str:
    slug = _NOT_IN_A_CHANNEL.sub("-", name.lower()).strip("-")
    return f"test-{slug}"[:63].rstrip("-")


async def add_partner(
    database: Database,
    runtime: Runtime,
    name: str,
    *,
    channel: str | None = None,
    is_test: bool = False,
    reservation_hours_max: int = RESERVATION_HOURS_DEFAULT,
    actor: str = COMMAND_ACTOR,
) -> sql.PartnerRow:
    """Add a partner, and its channel if it does not exist. A test partner gets its own channel.

    `reservation_hours_max`: maximum duration of its reservations.

    Raises:
        Invalid: for the wrong fields.
        PartnerNameTaken: another partner has this name.
        ChannelIsOtherKind: the channel is live and the partner for tests, or the reverse.
    """
    # The name may be invalid here: the channel is checked with it, and both errors are reported.
    channel = cleaned(channel or "") or (_test_channel(name) if is_test else LIVE_CHANNEL)
    name = _checked(name, channel, reservation_hours_max)
    try:
        async with database.transaction() as tx:
            await tx.execute(sql.add_channel, channel=channel, is_test=is_test)
            now = runtime.now()
            added = await tx.fetch_one(
                sql.add_partner,
                name=name,
                name_key=folded(name),
                channel=channel,
                is_test=is_test,
                reservation_hours_max=reservation_hours_max,
                now=now,
            )
            assert added is not None
            event = PartnerAdded(channel=channel)
            await record(tx, event, now, partner_id=added.partner_id, actor=actor)
    except RuleBroken as broken:
        if broken.rule in _NAME_TAKEN:
            raise await _name_taken(database, name) from None
        raise _refusal(broken, channel) from None
    return added


def checked_name(name: str) -> str:
    """Return the name of a partner as it is stored. Raises Invalid."""
    try:
        return one_line(name, NAME_CHARACTERS_MAX)
    except ValueError as error:
        raise Invalid([FieldError("name", str(error))]) from None


def _checked(name: str, channel: str, reservation_hours_max: int) -> str:
    """Return the name as it is stored. Raises Invalid with every wrong field."""
    errors = _wrong_hours(reservation_hours_max)
    try:
        name = checked_name(name)
    except Invalid as error:
        errors += error.errors
    if not _CHANNEL.fullmatch(channel):
        errors.append(FieldError("channel", field_text("partner.channel")))
    if errors:
        raise Invalid(errors)
    return name


def _wrong_hours(reservation_hours_max: int) -> list[FieldError]:
    if 1 <= reservation_hours_max <= RESERVATION_HOURS_MAX:
        return []
    return [FieldError("reservation-hours", field_text("general.range", least=1, most=RESERVATION_HOURS_MAX))]


async def _name_taken(database: Database, name: str) -> PartnerNameTaken:
    async with database.single_statement() as tx:
        taken = await tx.fetch_one(sql.name_of_key, name_key=folded(name))
    other = name if taken is None else taken
    return PartnerNameTaken("same" if other == name else "alike", isolated(repr(other)))


def _refusal(broken: RuleBroken, channel: str) -> Exception:
    if broken.rule == "partner_and_channel_both_test_or_both_live":
        return ChannelIsOtherKind(channel)
    return broken


async def partner_named(tx: Transaction, name: str) -> sql.PartnerRow:
    """Return the partner with this name.

    Raises:
        PartnerUnknown: no partner has this name.
    """
    row = await tx.fetch_one(sql.partner_by_name, name=name.replace("\0", ""), name_key=folded(name))
    if row is None:
        raise PartnerUnknown("name", name)
    return row


async def partner_id_of(database: Database, name: str) -> int:
    """Return the id of the partner with this name.

    Raises:
        PartnerUnknown: there is no such partner.
    """
    async with database.single_statement() as tx:
        return (await partner_named(tx, name)).partner_id


async def list_partners(database: Database) -> list[sql.PartnerRow]:
    """Return all partners, oldest first."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.list_partners)


async def partners_by_id(database: Database) -> dict[int, sql.PartnerRow]:
    """Return all partners by id, oldest first."""
    return {partner.partner_id: partner for partner in await list_partners(database)}


async def page_of_partners(
    database: Database, runtime: Runtime, sought: str, limit: int, cursor: str | None
) -> tuple[list[sql.ListedPartner], str | None]:
    """Return a page of the partners whose name contains `sought`, or whose channel it is, and the next page's cursor.

    Oldest first, with the number of working keys and the time of last use.

    Raises:
        Invalid: the cursor is malformed, or of another list.
    """
    (after_partner_id,) = ALL_PARTNERS.after(cursor) or (None,)
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.page_of_partners,
            after_partner_id=after_partner_id,
            sought=sought.replace("\0", "") or None,
            sought_key=folded(sought),
            now=runtime.now(),
            rows=limit + 1,
        )
    return ALL_PARTNERS.page(rows, limit)


async def partner_of(database: Database, partner_id: int) -> sql.PartnerRow:
    """Return the partner.

    Raises:
        PartnerUnknown: no partner has this id.
    """
    async with database.single_statement() as tx:
        row = await tx.fetch_one(sql.partner_by_id, partner_id=partner_id)
    if row is None:
        raise PartnerUnknown("id", partner_id)
    return row


async def list_channels(database: Database) -> list[sql.Channel]:
    """Return all channels by name."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.list_channels)


async def set_disabled(
    database: Database, runtime: Runtime, name: str, *, disabled: bool, actor: str = COMMAND_ACTOR
) -> sql.PartnerRow:
    """Disable or enable a partner. Its keys follow within seconds in every process.

    Raises:
        PartnerUnknown: no partner has this name.
    """
    async with database.transaction() as tx:
        partner_id = (await partner_named(tx, name)).partner_id
        now = runtime.now()
        changed = await tx.fetch_one(
            sql.set_disabled, partner_id=partner_id, disabled_at=now if disabled else None
        )
        event = PartnerDisabled() if disabled else PartnerEnabled()
        await record(tx, event, now, partner_id=partner_id, actor=actor)
    assert changed is not None
    return changed


async def set_reservation_hours(
    database: Database,
    runtime: Runtime,
    name: str,
    reservation_hours_max: int,
    *,
    expected: int | None = None,
    actor: str = COMMAND_ACTOR,
) -> sql.PartnerRow:
    """Set the maximum duration of the partner's reservations. Existing reservations stay unchanged.

    `expected`: the limit that the change is based on; None for any.

    Raises:
        Invalid: the number of hours is out of range.
        PartnerUnknown: no partner has this name.
        PartnerChangedMeanwhile: the limit is no longer `expected`.
    """
    if errors := _wrong_hours(reservation_hours_max):
        raise Invalid(errors)
    async with database.transaction() as tx:
        partner_id = (await partner_named(tx, name)).partner_id
        changed = await tx.fetch_one(
            sql.set_reservation_hours,
            partner_id=partner_id,
            reservation_hours_max=reservation_hours_max,
            expected=expected,
        )
        if changed is None:
            raise PartnerChangedMeanwhile(name, expected)
        event = PartnerChanged(reservation_hours_max=reservation_hours_max)
        await record(tx, event, runtime.now(), partner_id=partner_id, actor=actor)
    return changed


async def rename_partner(
    database: Database, runtime: Runtime, name: str, new_name: str, *, actor: str = COMMAND_ACTOR
) -> sql.PartnerRow:
    """Rename a partner. Its keys, channel and tickets stay.

    Raises:
        Invalid: the new name is not valid.
        PartnerUnknown: no partner has the old name.
        PartnerNameTaken: another partner has the new name.
    """
    normalized = checked_name(new_name)
    try:
        async with database.transaction() as tx:
            before = await partner_named(tx, name)
            partner_id = before.partner_id
            renamed = await tx.fetch_one(
                sql.rename, partner_id=partner_id, name=normalized, name_key=folded(normalized)
            )
            # A partner whose name clashed with the old name takes over its key.
            await correct_name_keys_in(tx)
            event = PartnerRenamed(before=before.name, name=normalized)
            await record(tx, event, runtime.now(), partner_id=partner_id, actor=actor)
    except RuleBroken as broken:
        if broken.rule not in _NAME_TAKEN:
            raise
        raise await _name_taken(database, normalized) from None
    assert renamed is not None
    return renamed

"""Members of staff: add, find, change, disable."""

import re
import unicodedata
from dataclasses import dataclass

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.event import AuditEvent
from premade.audit.events import StaffAdded, StaffDisabled, StaffEnabled, StaffPasswordSet, StaffRoleSet
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, FieldError, Invalid, NotFound, RuleBroken
from premade.staff import member_sql as sql
from premade.staff import password as passwords
from premade.staff.role import Role
from premade.texts.fields import field_text
from premade.values.texts import cleaned, without_invisible

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")


@dataclass(eq=False)
class StaffUnknown(NotFound):
    """No member of staff has this name."""

    code = "STAFF_UNKNOWN"

    name: str


@dataclass(eq=False)
class StaffNameTaken(Conflict):
    """Another member of staff has this name."""

    code = "STAFF_NAME_TAKEN"

    name: str


def stored_name(name: str) -> str:
    """Return the name in lower case, trimmed, without invisible characters: people type and paste it either way."""
    return without_invisible(unicodedata.normalize("NFKC", cleaned(name))).casefold()


async def add_staff(
    database: Database, runtime: Runtime, name: str, role: str, password: str, *, actor: str = COMMAND_ACTOR
) -> sql.StaffRow:
    """Add a member of staff.

    Raises:
        Invalid: for the wrong fields.
        StaffNameTaken: another member has this name.
    """
    name = stored_name(name)
    _check(name=name, role=role, refused_password=await passwords.why_refused(password, name))
    digest = await passwords.digest(password)
    try:
        async with database.transaction() as tx:
            now = runtime.now()
            added = await tx.fetch_one(sql.add, name=name, role=role, password_digest=digest, now=now)
            assert added is not None
            await _record(tx, StaffAdded(staff_id=added.staff_id, role=role), runtime, actor)
    except RuleBroken as broken:
        if broken.rule != "staff_name_taken":
            raise
        raise StaffNameTaken(name) from None
    return added


async def list_staff(database: Database) -> list[sql.StaffRow]:
    """Return all members, by name."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.list_staff)


async def staff_named(database: Database, name: str) -> sql.StaffRow:
    """Return the member with this name.

    Raises:
        StaffUnknown: no member has this name.
    """
    async with database.single_statement() as tx:
        return await staff_in(tx, name)


async def set_password(
    database: Database, runtime: Runtime, name: str, password: str, *, actor: str = COMMAND_ACTOR
) -> sql.StaffRow:
    """Set a new password, and end all sessions of the member.

    Raises:
        Invalid: the password is refused.
        StaffUnknown: no member has this name.
    """
    _check(refused_password=await passwords.why_refused(password, stored_name(name)))
    digest = await passwords.digest(password)
    async with database.transaction() as tx:
        member = await staff_in(tx, name)
        await tx.execute(sql.set_password, staff_id=member.staff_id, password_digest=digest)
        await tx.execute(sql.end_sessions, staff_id=member.staff_id)
        await _record(tx, StaffPasswordSet(staff_id=member.staff_id), runtime, actor)
    return member


async def has_password(database: Database, name: str, password: str) -> bool:
    """Return whether the password is the member's. For commands of the operator: attempts are not counted."""
    async with database.single_statement() as tx:
        stored = await tx.fetch_one(sql.digest_by_name, name=stored_name(name))
    return await passwords.is_right(password, stored)


async def set_role(
    database: Database, runtime: Runtime, name: str, role: str, *, actor: str = COMMAND_ACTOR
) -> sql.StaffRow:
    """Set the role of a member, from the next page on.

    Raises:
        Invalid: there is no such role.
        StaffUnknown: no member has this name.
    """
    _check(role=role)
    async with database.transaction() as tx:
        member = await staff_in(tx, name)
        changed = await tx.fetch_one(sql.set_role, staff_id=member.staff_id, role=role)
        await _record(tx, StaffRoleSet(staff_id=member.staff_id, role=role), runtime, actor)
    assert changed is not None
    return changed


async def set_disabled(
    database: Database, runtime: Runtime, name: str, *, disabled: bool, actor: str = COMMAND_ACTOR
) -> sql.StaffRow:
    """Disable or enable a member. A disabled member is signed out at once and cannot sign in.

    Raises:
        StaffUnknown: no member has this name.
    """
    async with database.transaction() as tx:
        member = await staff_in(tx, name)
        now = runtime.now()
        changed = await tx.fetch_one(
            sql.set_disabled, staff_id=member.staff_id, disabled_at=now if disabled else None
        )
        if disabled:
            await tx.execute(sql.end_sessions, staff_id=member.staff_id)
        kind = StaffDisabled if disabled else StaffEnabled
        await _record(tx, kind(staff_id=member.staff_id), runtime, actor)
    assert changed is not None
    return changed


async def staff_in(tx: Transaction, name: str) -> sql.StaffRow:
    """Return the member with this name, within a transaction.

    Raises:
        StaffUnknown: no member has this name.
    """
    row = await tx.fetch_one(sql.by_name, name=stored_name(name).replace("\0", ""))
    if row is None:
        raise StaffUnknown(name)
    return row


async def _record(tx: Transaction, event: AuditEvent, runtime: Runtime, actor: str) -> None:
    await record(tx, event, runtime.now(), partner_id=None, actor=actor)


def _check(*, name: str | None = None, role: str | None = None, refused_password: str | None = None) -> None:
    wrong: list[FieldError] = []
    if name is not None and not _NAME.fullmatch(name):
        wrong.append(FieldError("name", field_text("staff.name")))
    if role is not None and role not in set(Role):
        wrong.append(FieldError("role", field_text("general.one_of", choices=", ".join(Role))))
    if refused_password is not None:
        wrong.append(FieldError("password", refused_password))
    if wrong:
        raise Invalid(wrong)

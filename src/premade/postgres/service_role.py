"""The role of the service: it reads and writes tables, but cannot change the schema or the audit record (ADR 52)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow
from psycopg.sql import Identifier

from premade.postgres import service_role_sql as sql
from premade.postgres.backup.contents import session
from premade.postgres.database import Transaction
from premade.postgres.service_role_sql import ObjectPrivilege, Powers
from premade.runtime.errors import CommandError


class ServiceRoleRefused(CommandError):
    """A role cannot become the role of the service."""

    code = "SERVICE_ROLE_REFUSED"


class Excess(StrEnum):
    """A power that the service does not need, as messages name it."""

    SUPERUSER = "is a superuser"
    CREATES_ROLES = "can create roles"
    OWNS_TABLES = "owns tables"
    CHANGES_SCHEMA = "can create objects in the database"
    CHANGES_RECORD = "can change the audit record"


_NO_GRANT_CHANGES = {Excess.SUPERUSER, Excess.CREATES_ROLES, Excess.OWNS_TABLES}
_OF_SCHEMA = {"CREATE", "TRIGGER"}
_OF_RECORD = {"UPDATE", "DELETE", "TRUNCATE"}


@dataclass(frozen=True)
class RoleRights:
    """A role, and what it may do."""

    role: str
    powers: Powers
    rights: Sequence[ObjectPrivilege]

    @property
    def lacking(self) -> list[ObjectPrivilege]:
        """The rights that the service needs, and that the role does not have."""
        return [right for right in self.rights if right.is_needed and not right.has]

    @property
    def surplus(self) -> list[ObjectPrivilege]:
        """The rights that were granted to the role itself, and that the service does not need."""
        return [right for right in self.rights if right.is_granted and not right.is_needed]

    @property
    def excess(self) -> list[Excess]:
        """The powers over the schema and over the audit record. The service needs none of them."""
        needless = [right for right in self.rights if right.has and not right.is_needed]
        schema_changes = any(right.privilege in _OF_SCHEMA for right in needless)
        record_changes = any(right.is_of_record and right.privilege in _OF_RECORD for right in needless)
        found = {
            Excess.SUPERUSER: self.powers.is_superuser,
            Excess.CREATES_ROLES: self.powers.creates_roles,
            Excess.OWNS_TABLES: self.powers.owns_tables,
            Excess.CHANGES_SCHEMA: self.powers.creates_schemas or schema_changes,
            Excess.CHANGES_RECORD: record_changes,
        }
        return [excess for excess, is_so in found.items() if is_so]


async def rights_of(tx: Transaction, role: str | None = None) -> RoleRights:
    """Return what a role may do; without a name, the role of this connection.

    Raises:
        ServiceRoleRefused: there is no such role.
    """
    name = role or await tx.fetch_one(sql.current_role_name)
    assert name is not None
    powers = await tx.fetch_one(sql.powers, role=name)
    if powers is None:
        raise ServiceRoleRefused("unknown", role=name)
    return RoleRights(name, powers, await tx.fetch_all(sql.rights, role=name))


async def rights_of_connection(dsn: str) -> RoleRights:
    """Return what the role of a connection string may do."""
    async with session(dsn) as connection:
        return await rights_of(Transaction(connection))


async def make_service_role(dsn: str, role: str) -> int:
    """Give a role exactly the rights that the service needs. Return the number of rights that were missing.

    Raises:
        ServiceRoleRefused: there is no such role, it has more power than grants give, or the connecting role may not grant.
    """
    async with session(dsn) as connection:
        before = await rights_of(Transaction(connection), role)
        if any(excess in _NO_GRANT_CHANGES for excess in before.excess):
            raise ServiceRoleRefused("too_powerful", role=role, excess=" and ".join(before.excess))
        async with connection.transaction():
            await _change(connection, "GRANT", before.lacking, role)
            await _change(connection, "REVOKE", before.surplus, role)
            after = await rights_of(Transaction(connection), role)
            if after.lacking:
                # PostgreSQL only warns about a right that the connecting role cannot give.
                raise ServiceRoleRefused("not_owner", object=after.lacking[0].name)
            if after.excess:
                raise ServiceRoleRefused("too_powerful", role=role, excess=" and ".join(after.excess))
        return len(before.lacking)


async def renew_service_roles(dsn: str) -> list[str]:
    """Give the roles that the service has had the rights on new tables. Return the names of those that lacked some.

    Nobody else may call the functions that have the rights of their owner.
    """
    async with session(dsn) as connection:
        tx = Transaction(connection)
        for function in await tx.fetch_all(sql.open_functions):
            await connection.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC".encode())
        known = [await rights_of(tx, role) for role in await tx.fetch_all(sql.service_roles)]
        for role in known:
            await _change(connection, "GRANT", role.lacking, role.role)
        return [role.role for role in known if role.lacking]


async def _change(
    connection: AsyncConnection[TupleRow],
    verb: Literal["GRANT", "REVOKE"],
    rights: Collection[ObjectPrivilege],
    role: str,
) -> None:
    word = {"GRANT": b" TO ", "REVOKE": b" FROM "}[verb]
    for right in rights:
        command = f"{verb} {right.privilege} ON {right.kind} {right.name}".encode()
        try:
            await connection.execute(command + word + Identifier(role).as_bytes(connection))
        except InsufficientPrivilege:
            raise ServiceRoleRefused("not_owner", object=right.name) from None

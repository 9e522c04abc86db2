"""A partner's own limits: rate limits of its API keys, and quotas of its stock."""

from collections.abc import Mapping
from dataclasses import dataclass

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import PartnerLimitsChanged
from premade.audit.record import record
from premade.limits.partner_limits import PARTNER_LIMITS, OwnLimits
from premade.partners import limits_sql as sql
from premade.partners.partner import partner_named
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, FieldError, Invalid
from premade.texts.fields import field_text

BY_THE_SETTINGS = "default"
"""In texts: the partner has no limit of its own."""


@dataclass(eq=False)
class LimitsChangedMeanwhile(Conflict):
    """Somebody else changed the partner's limits after you opened them."""

    code = "LIMITS_CHANGED_MEANWHILE"

    name: str


def limits_text(own: OwnLimits) -> str:
    """Return the limits on one line, for a comparison: `rate-read=600 unused-tickets=1000`."""
    return " ".join(f"{name}={value}" for name, value in sorted(own.items()))


def check_limits(changes: Mapping[str, int | None]) -> None:
    """Raise Invalid with every limit that does not exist or is out of range."""
    errors: list[FieldError] = []
    for name, value in changes.items():
        limit = PARTNER_LIMITS.get(name)
        if limit is None:
            errors.append(FieldError(name, field_text("limit.unknown", known=", ".join(PARTNER_LIMITS))))
        elif value is not None and not 0 <= value <= limit.value_max:
            errors.append(FieldError(name, field_text("general.range", least=0, most=limit.value_max)))
    if errors:
        raise Invalid(errors)


async def limits_of(database: Database, partner_id: int) -> dict[str, int]:
    """Return the partner's own limits."""
    async with database.single_statement() as tx:
        return await _limits_in(tx, partner_id)


async def _limits_in(tx: Transaction, partner_id: int) -> dict[str, int]:
    rows = await tx.fetch_all(sql.limits_of, partner_id=partner_id)
    return {row.limit_name: row.value for row in rows}


async def set_limits(
    database: Database,
    runtime: Runtime,
    partner: str,
    changes: Mapping[str, int | None],
    *,
    expected: str | None = None,
    actor: str = COMMAND_ACTOR,
) -> dict[str, int]:
    """Change limits of the partner, and return its own limits. They are in force within seconds in every process.

    `changes`: 0 for no limit, None for the limit of the settings. `expected`: the `limits_text` that the change is based on;
    None for any.

    Raises:
        Invalid: a limit does not exist or is out of range.
        PartnerUnknown: no partner has this name.
        LimitsChangedMeanwhile: the limits are no longer `expected`.
    """
    check_limits(changes)
    async with database.transaction() as tx:
        partner_id = (await partner_named(tx, partner)).partner_id
        await tx.fetch_one(sql.lock_limits, partner_id=partner_id)
        own = await _limits_in(tx, partner_id)
        if expected is not None and limits_text(own) != expected:
            raise LimitsChangedMeanwhile(partner)
        changed = {name: value for name, value in changes.items() if own.get(name) != value}
        if not changed:
            return own
        new = {name: value for name, value in changed.items() if value is not None}
        removed = [name for name in changed if name not in new]
        await tx.execute(sql.remove_limits, partner_id=partner_id, names=removed)
        await tx.execute(
            sql.set_limits, partner_id=partner_id, names=list(new), new_values=list(new.values())
        )
        event = PartnerLimitsChanged(
            limits=[
                f"{name}={BY_THE_SETTINGS if value is None else value}" for name, value in changed.items()
            ]
        )
        await record(tx, event, runtime.now(), partner_id=partner_id, actor=actor)
        return await _limits_in(tx, partner_id)

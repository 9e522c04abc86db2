"""The rate limits of all API keys in a process, and the statements that lease tokens from the database."""

import logging
from collections.abc import Mapping, Sequence

from premade.limits import leases_sql as sql
from premade.limits.lease import Lease
from premade.limits.operation_class import OperationClass
from premade.limits.rate_limit import RateLimit
from premade.postgres.database import Database
from premade.runtime.background import Turn
from premade.runtime.clock import Runtime
from premade.runtime.errors import Unavailable
from premade.runtime.outage import Outage

STATEMENT_SECONDS_MAX = 2.0
SETTLE_EVERY_SECONDS = 1.0
FORGOTTEN_AFTER_SECONDS = 60.0
"""A key that sends nothing for this time is forgotten in memory."""


class RateLimits:
    """The rate limits of all API keys in this process."""

    def __init__(
        self, database: Database, runtime: Runtime, per_minute: Mapping[OperationClass, int]
    ) -> None:
        """`per_minute`: the limits by default, in requests a minute; 0 for none."""
        # The connections for micro-batches: a lease must not queue behind requests that wait for locks.
        self._database = database.for_batches
        self._monotonic_seconds = runtime.monotonic_seconds
        self._per_minute = per_minute
        self._leases: dict[tuple[int, OperationClass], Lease] = {}
        self._away = Outage("limits.leases_postponed", logging.INFO)
        self._failure = Outage("limits.leases_failed", logging.ERROR)

    def lease_of(self, key_id: int, operation_class: OperationClass, own: int | None = None) -> Lease | None:
        """Return the lease of the key, or None if it has no limit. `own`: the partner's own limit, in requests a minute."""
        per_minute = self._per_minute[operation_class] if own is None else own
        if not per_minute:
            return None
        lease = self._leases.get((key_id, operation_class))
        if lease is None or lease.limit.per_minute != per_minute:
            lease = Lease(
                key_id, operation_class, RateLimit(per_minute), self._monotonic_seconds, self._fetch
            )
            self._leases[key_id, operation_class] = lease
        return lease

    async def _fetch(self, lease: Lease) -> None:
        """Fetch the next tokens of the lease. If the database does not answer, its requests pass for a while."""
        spent = lease.settle()
        try:
            if not lease.has_bucket:
                await self._add_bucket(lease)
            rows = await self._execute([lease], [spent], [lease.size])
        except Unavailable as error:
            self._away.begin(error.code, detail=error.detail)
            lease.fail(spent)
            return
        except Exception as error:  # noqa: BLE001  (a limit that cannot be counted must not stop sales)
            self._failure.begin(repr(error), exc_info=True)
            lease.fail(spent)
            return
        self._away.end()
        self._failure.end()
        # After a crash of the server the table is empty.
        lease.has_bucket = bool(rows)
        if rows:
            lease.receive(rows[0].granted, rows[0].left_over)
        else:
            lease.fail(spent)

    async def settle(self) -> None:
        """Return the tokens of ended leases, and pay those that were spent in advance. Forget keys without requests."""
        for key, lease in list(self._leases.items()):
            if lease.idle_seconds > FORGOTTEN_AFTER_SECONDS and not lease.needs_settlement:
                del self._leases[key]
        ended = [lease for lease in self._leases.values() if lease.has_bucket and lease.needs_settlement]
        spent = [lease.settle() for lease in ended]
        try:
            rows = await self._execute(ended, spent, [0] * len(ended)) if ended else []
        except Unavailable:
            for lease, spent_by_one in zip(ended, spent, strict=True):
                lease.fail(spent_by_one)
            raise
        for row in rows:
            if lease := self._leases.get((row.key_id, row.operation_class)):
                lease.note(row.left_over)

    async def _add_bucket(self, lease: Lease) -> None:
        async with self._database.single_statement(STATEMENT_SECONDS_MAX) as tx:
            await tx.execute(
                sql.add_buckets, key_ids=[lease.key_id], operation_classes=[lease.operation_class]
            )

    async def _execute(
        self, leases: Sequence[Lease], spent: Sequence[int], requested: Sequence[int]
    ) -> list[sql.LeaseRow]:
        async with self._database.single_statement(STATEMENT_SECONDS_MAX) as tx:
            return await tx.fetch_all(
                sql.lease,
                key_ids=[lease.key_id for lease in leases],
                operation_classes=[lease.operation_class for lease in leases],
                seconds_per_token=[lease.seconds_per_token for lease in leases],
                capacities=[lease.capacity for lease in leases],
                spent=list(spent),
                requested=list(requested),
            )


def settle_turn(limits: RateLimits) -> Turn:
    """Return the turn of the background task that settles ended leases."""

    async def turn() -> float:
        await limits.settle()
        return SETTLE_EVERY_SECONDS

    return turn

"""Statements of `leases.sql`, and their rows."""

from dataclasses import dataclass

from premade.limits.operation_class import OperationClass
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class LeaseRow:
    """Tokens that a bucket granted. `left_over`: tokens that it still has; below 1, it grants no further one."""

    key_id: int
    operation_class: OperationClass
    granted: int
    left_over: float


@statement
def lease(
    *,
    key_ids: list[int],
    operation_classes: list[str],
    seconds_per_token: list[float],
    capacities: list[int],
    spent: list[int],
    requested: list[int],
) -> LeaseRow: ...


@statement
def add_buckets(*, key_ids: list[int], operation_classes: list[str]) -> None: ...

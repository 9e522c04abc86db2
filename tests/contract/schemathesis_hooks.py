"""What schemathesis loads beside its settings."""

import itertools
from typing import Any

import schemathesis

_serial = itertools.count(1)


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case, __: dict[str, Any]) -> None:
    """A batch_id works once, and a made-up reservation never: in a story of several steps each good batch gets its own
    batch_id and, where it names a reservation, none, so that the story goes on.
    """
    made = case.meta
    if made is None or made.phase.name != "stateful" or made.generation.mode != "positive":
        return
    if case.operation.definition.raw["operationId"] == "bulk_generate" and isinstance(case.body, dict):
        case.body["batch_id"] = f"STEP-{next(_serial)}"
        case.body.pop("reservation_id", None)
        case.headers.pop("Idempotency-Key", None)

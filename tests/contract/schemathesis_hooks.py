"""What schemathesis loads beside its settings."""

import itertools
import json
from typing import Any

import schemathesis
from openapi_schema_validator import OAS30Validator

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


@schemathesis.check
def bad_scans_of_an_upload_get_their_own_answer(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """An upload is accepted with bad scans among its scans, and with nothing else that is bad. Each bad scan gets
    ENTRY_INVALID. The settings allow 200 for bad data here, because of these scans.
    """
    if case.operation.definition.raw["operationId"] != "sync" or response.status_code != 200:
        return
    schemas: Any = case.operation.schema.raw_schema["components"]["schemas"]
    upload, scan = schemas["SyncRequest"], schemas["OfflineRedemption"]
    any_scans = {**upload["properties"]["redemptions"], "items": {}}
    body: Any = response.request.body
    sent = json.loads(body)
    OAS30Validator({**upload, "properties": {**upload["properties"], "redemptions": any_scans}}).validate(
        sent
    )
    for each, result in zip(sent["redemptions"], response.json()["results"], strict=True):
        if not OAS30Validator(scan).is_valid(each):
            assert result["code"] == "ENTRY_INVALID", each

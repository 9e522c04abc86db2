"""OpenAPI 3.0.3 document of the API, converted from FastAPI's 3.1.

The contract uses 3.0.3, and most client generators read it. The versions differ in the schemas (JSON Schema 2020-12 in
3.1, an older dialect in 3.0) and in security requirements.
"""

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI

from premade.api_docs.schema_texts import SCHEMAS
from premade.http.problems import Problem

VERSION = "3.0.3"
Json = dict[str, Any]

INTEGER_MAX = 2**63 - 1
_REQUEST_ID: Json = {
    "required": True,
    "description": "Id of this request in the service's log; the X-Request-Id of the request if it sent one",
    "schema": {"type": "string"},
}
_REPLAYED: Json = {
    "description": "'true' if an earlier request with the same Idempotency-Key made this change; otherwise absent",
    "schema": {"type": "string", "enum": ["true"]},
}
_RETRY_AFTER: Json = {
    "required": True,
    "description": "Seconds to wait before a retry",
    "schema": {"type": "integer"},
}
_RATE_LIMIT: dict[str, Json] = {
    "RateLimit-Policy": {
        "description": "Rate limit of the API key for this class of operations: `q` requests in `w` seconds; absent without one",
        "schema": {"type": "string", "example": '"activate";q=100000;w=10'},
    },
    "RateLimit": {
        "description": "Requests that are left, `r`, and seconds without requests until all are available, `t`",
        "schema": {"type": "string", "example": '"activate";r=99998;t=1'},
    },
}
_HEADERS_OF_STATUS: dict[str, Json] = {
    "401": {
        "WWW-Authenticate": {
            "required": True,
            "description": "How to authenticate",
            "schema": {"type": "string"},
        }
    },
    "429": {"Retry-After": _RETRY_AFTER},
    "503": {"Retry-After": _RETRY_AFTER},
}
_LINKS_OF_OPERATION: dict[str, Json] = {
    "inventory": {
        "bulk_generate": {"requestBody": {"product_id": "$response.body#/items/0/product_id"}},
    },
    "reserve": {
        "reservation": {"parameters": {"reservation_id": "$response.body#/reservation_id"}},
        "release_reservation": {"parameters": {"reservation_id": "$response.body#/reservation_id"}},
    },
    "tickets": {"ticket": {"parameters": {"code": "$response.body#/items/0/ticket_code"}}},
    "batches": {"batch": {"parameters": {"batch_id": "$response.body#/items/0/batch_id"}}},
    "orders": {"order": {"parameters": {"order_id": "$response.body#/items/0/order_id"}}},
    "bulk_generate": {
        "activate": {"parameters": {"code": "$response.body#/tickets/0/ticket_code"}},
        "draw": {"parameters": {"batch_id": "$response.body#/batch_id"}},
        "ticket": {"parameters": {"code": "$response.body#/tickets/0/ticket_code"}},
    },
    "draw": {
        "order": {"parameters": {"order_id": "$response.body#/order_id"}},
        "ticket": {"parameters": {"code": "$response.body#/tickets/0/ticket_code"}},
    },
    "make_order": {
        "order": {"parameters": {"order_id": "$response.body#/order_id"}},
        "ticket": {"parameters": {"code": "$response.body#/tickets/0/ticket_code"}},
    },
    "activate": {
        "order": {"parameters": {"order_id": "$response.body#/order_id"}},
        "ticket": {"parameters": {"code": "$response.body#/ticket_code"}},
    },
}
"""OpenAPI links: operations that take values of a response as parameters."""
_REPLAYED_BY_SCAN = ("redeem",)
"""Operations that find a replay by the scan_id, without an Idempotency-Key."""
_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def openapi_document(app: FastAPI) -> Json:
    """Return the document in OpenAPI 3.0.3."""
    written = app.openapi()
    schemas: Json = {**written["components"]["schemas"], **_problem_schemas()}
    for name in _FASTAPI_ERRORS:
        schemas.pop(name, None)
    document: Json = {
        **written,
        "openapi": VERSION,
        "paths": {path: _path_item(item) for path, item in written["paths"].items()},
    }
    document["components"]["schemas"] = {
        name: _described(name, _schema(schema)) for name, schema in schemas.items()
    }
    return document


def _described(name: str, schema: Json) -> Json:
    """Return the schema with its public description. The docstring of its class is for readers of the code."""
    schema.pop("description", None)
    return {**schema, "description": SCHEMAS[name]} if name in SCHEMAS else schema


def _problem_schemas() -> Json:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"Problem": schema, **schema.pop("$defs")}


def _path_item(item: Json) -> Json:
    return {method: _operation(operation) for method, operation in item.items()}


def _operation(operation: Json) -> Json:
    permissions = [name for requirement in operation["security"] for name in requirement["ApiKeyAuth"]]
    headers = {parameter["name"] for parameter in operation.get("parameters", [])}
    replays = "Idempotency-Key" in headers or operation["operationId"] in _REPLAYED_BY_SCAN
    # A dry run is answered 200, the real request 201. A dry run is never replayed.
    done = max(status for status in operation["responses"] if status.startswith("2"))
    converted: Json = {
        **operation,
        # A requirement of an API key lists no scopes in 3.0.
        "security": [{"ApiKeyAuth": []}],
        "x-permission": permissions[0],
        "description": f"{operation['description']}\n\nNeeds the permission `{permissions[0]}`.",
        "parameters": [_parameter(parameter) for parameter in operation.get("parameters", [])],
        "responses": {
            status: {
                **_response(status, answer, replays=replays and status == done),
                **(_links(operation["operationId"]) if status == done else {}),
            }
            for status, answer in sorted(operation["responses"].items())
            if not _is_fastapi_error(answer)
        },
    }
    if "requestBody" in operation:
        converted["requestBody"] = _with_content(operation["requestBody"])
    return converted


def _links(operation_id: str) -> Json:
    links = {
        target: {"operationId": target, **values}
        for target, values in _LINKS_OF_OPERATION.get(operation_id, {}).items()
    }
    return {"links": links} if links else {}


def _is_fastapi_error(answer: Json) -> bool:
    return _FASTAPI_ERRORS[0] in str(answer)


def _parameter(parameter: Json) -> Json:
    schema = _schema(parameter["schema"])
    schema.pop("nullable", None)
    schema.pop("description", None)
    return {**parameter, "schema": schema}


def _response(status: str, answer: Json, *, replays: bool) -> Json:
    headers = {
        "X-Request-Id": _REQUEST_ID,
        **({} if status == "401" else _RATE_LIMIT),
        **_HEADERS_OF_STATUS.get(status, {}),
        **answer.get("headers", {}),
    }
    if replays:
        headers["Idempotency-Replayed"] = _REPLAYED
    return {**_with_content(answer), "headers": headers}


def _with_content(part: Json) -> Json:
    if "content" not in part:
        return part
    content = {
        media_type: {**media, "schema": _schema(media["schema"])}
        for media_type, media in part["content"].items()
    }
    return {**part, "content": content}


def _schema(schema: Any) -> Any:
    """Convert a JSON Schema of 2020-12 to the dialect of OpenAPI 3.0."""
    if not isinstance(schema, Mapping):
        return schema
    converted = dict(cast("Mapping[str, Any]", schema))
    converted.pop("title", None)
    choices = converted.pop("anyOf", None)
    if choices is not None:
        converted |= _choice(choices)
    if "const" in converted:
        converted["enum"] = [converted.pop("const")]
    if "examples" in converted:
        converted["example"] = converted.pop("examples")[0]
    converted |= _whole_bounds(converted)
    if "$ref" in converted and len(converted) > 1:
        # OpenAPI 3.0 ignores all members beside a $ref.
        converted["allOf"] = [{"$ref": converted.pop("$ref")}]
    if "properties" in converted:
        converted["properties"] = {name: _schema(member) for name, member in converted["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if keyword in converted:
            converted[keyword] = _schema(converted[keyword])
    return converted


def _whole_bounds(schema: Json) -> Json:
    """Return the bounds of an integer as integers. FastAPI stores them as floats, which cannot hold 2**63 - 1."""
    bounds = {"minimum", "maximum"} & set(schema) if schema.get("type") == "integer" else set[str]()
    return {bound: min(int(schema[bound]), INTEGER_MAX) for bound in bounds}


def _choice(choices: list[Json]) -> Json:
    """Convert `anyOf`. A `null` among the choices is `nullable` in 3.0."""
    others = [_schema(choice) for choice in choices if choice.get("type") != "null"]
    nullable: Json = {"nullable": True} if len(others) < len(choices) else {}
    return {**(others[0] if len(others) == 1 else {"anyOf": others}), **nullable}

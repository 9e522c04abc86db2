"""The interface as OpenAPI 3.0.3, made from what FastAPI writes in 3.1.

3.0.3 is what the contract speaks and what most generators of clients read. The difference is in the schemas
(JSON Schema 2020-12 there, an older dialect of its own here) and in what a security requirement may say.
"""

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI

from premade.base.problems import Problem

VERSION = "3.0.3"
Json = dict[str, Any]

_REQUEST_ID: Json = {
    "description": "Names this request in the service's log; the request's own X-Request-Id where it sent one.",
    "schema": {"type": "string"},
}
_REPLAYED: Json = {
    "description": "Present, and 'true', when an earlier request with the same Idempotency-Key did this.",
    "schema": {"type": "string", "enum": ["true"]},
}
_HEADERS_OF_STATUS: dict[str, Json] = {
    "401": {"WWW-Authenticate": {"description": "How to authenticate", "schema": {"type": "string"}}},
    "405": {"Allow": {"description": "The methods that are taken", "schema": {"type": "string"}}},
    "503": {
        "Retry-After": {
            "description": "Seconds to wait before trying again",
            "schema": {"type": "integer"},
        }
    },
}
_FASTAPI_S_OWN_ERRORS = ("HTTPValidationError", "ValidationError")


def openapi_document(app: FastAPI) -> Json:
    """The document, valid OpenAPI 3.0.3."""
    written = app.openapi()
    schemas: Json = {**written["components"]["schemas"], **_problem_schemas()}
    for name in _FASTAPI_S_OWN_ERRORS:
        schemas.pop(name, None)
    document: Json = {
        **written,
        "openapi": VERSION,
        "paths": {path: _path_item(item) for path, item in written["paths"].items()},
    }
    document["components"]["schemas"] = {name: _schema(schema) for name, schema in schemas.items()}
    return document


def _problem_schemas() -> Json:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"Problem": schema, **schema.pop("$defs")}


def _path_item(item: Json) -> Json:
    return {method: _operation(operation) for method, operation in item.items()}


def _operation(operation: Json) -> Json:
    permissions = [name for requirement in operation["security"] for name in requirement["ApiKeyAuth"]]
    headers = {parameter["name"] for parameter in operation.get("parameters", [])}
    converted: Json = {
        **operation,
        # A requirement of an API key lists no scopes in 3.0.
        "security": [{"ApiKeyAuth": []}],
        "x-permission": permissions[0],
        "description": f"{operation['description']}\n\nNeeds the permission `{permissions[0]}`.",
        "parameters": [_parameter(parameter) for parameter in operation.get("parameters", [])],
        "responses": {
            status: _response(status, answer, replays="Idempotency-Key" in headers)
            for status, answer in sorted(operation["responses"].items())
            if not _is_fastapi_s_own(answer)
        },
    }
    if "requestBody" in operation:
        converted["requestBody"] = _with_content(operation["requestBody"])
    return converted


def _is_fastapi_s_own(answer: Json) -> bool:
    return _FASTAPI_S_OWN_ERRORS[0] in str(answer)


def _parameter(parameter: Json) -> Json:
    schema = _schema(parameter["schema"])
    converted = {**parameter, "schema": schema}
    if (example := schema.pop("example", None)) is not None:
        converted["example"] = example
    schema.pop("nullable", None)
    schema.pop("description", None)
    return converted


def _response(status: str, answer: Json, *, replays: bool) -> Json:
    headers = {"X-Request-Id": _REQUEST_ID, **_HEADERS_OF_STATUS.get(status, {})}
    if replays and status.startswith("2"):
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
    """A JSON Schema of 2020-12 in the dialect of OpenAPI 3.0."""
    if not isinstance(schema, Mapping):
        return schema
    given = dict(cast("Mapping[str, Any]", schema))
    given.pop("title", None)
    choices = given.pop("anyOf", None)
    if choices is not None:
        given |= _choice(choices)
    if "const" in given:
        given["enum"] = [given.pop("const")]
    if "examples" in given:
        given["example"] = given.pop("examples")[0]
    if "$ref" in given and len(given) > 1:
        # Beside a $ref everything else is ignored in 3.0.
        given["allOf"] = [{"$ref": given.pop("$ref")}]
    if "properties" in given:
        given["properties"] = {name: _schema(member) for name, member in given["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if keyword in given:
            given[keyword] = _schema(given[keyword])
    return given


def _choice(choices: list[Json]) -> Json:
    """`null` among the choices is `nullable` in 3.0."""
    others = [_schema(choice) for choice in choices if choice.get("type") != "null"]
    nullable: Json = {"nullable": True} if len(others) < len(choices) else {}
    return {**(others[0] if len(others) == 1 else {"anyOf": others}), **nullable}

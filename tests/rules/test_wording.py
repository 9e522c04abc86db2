"""Every validation error is in the product's own words."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin
from zoneinfo import ZoneInfo

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core._pydantic_core import list_all_errors
from support.shop import Seller

from premade.app import make_app
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings
from premade.texts.fields import field_texts
from premade.values import validation_messages
from premade.values.validation_messages import in_words

NOT_OURS = re.compile(
    r"Input should|Value error|Assertion failed|Field required|should (be|have|match)|valid (dictionary|string|integer|list"
    r"|number|boolean)|pattern|instance of|unable to|Unable to|pydantic|[{}]"
)
ODD = [None, True, -1, 0, 1.5, 10**18, 2**64 - 1, "", "x", "\u200b", "x" * 5000, [], ["x"] * 200, {}, {"x": None}, [None], "2026-02-29",
       float("inf")
       ]  # fmt: skip


WITHOUT_TEXT = {
    "no_such_attribute", "needs_python_object", "get_attribute_error", "default_factory_not_called",
    "missing_sentinel_error", "ellipsis_error", "is_instance_of", "is_subclass_of", "callable_type",
}  # fmt: skip
"""Only values inside the program can cause these, never input."""


def app() -> Any:
    return vars(make_app(Settings(database_url="postgresql://nowhere"), Runtime(ZoneInfo("UTC"))))["_app"]


def routes() -> list[APIRoute]:
    return [route for route in app().routes if isinstance(route, APIRoute)]


def request_models() -> Iterator[type[BaseModel]]:
    for route in routes():
        for parameter in inspect.signature(route.endpoint, eval_str=True).parameters.values():
            if inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, BaseModel):
                yield parameter.annotation


def parameters() -> Iterator[Any]:
    for route in routes():
        for parameter in inspect.signature(route.endpoint, eval_str=True).parameters.values():
            if get_origin(parameter.annotation) is not None and "Security" not in str(
                get_args(parameter.annotation)[1:]
            ):
                yield parameter.annotation


def kinds_in(schema: Any) -> Iterator[tuple[str, Any]]:
    """Each pattern that a core schema has, wherever it stands."""
    if isinstance(schema, dict):
        if schema.get("pattern") is not None:
            yield "pattern", schema["pattern"]
        # What stands under 'metadata' is for the document alone.
        for name, part in schema.items():
            if name != "metadata":
                yield from kinds_in(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from kinds_in(part)


def test_every_kind_of_error_has_words_of_ours() -> None:
    kinds = {each["type"]: each for each in list_all_errors()}

    listed = {key.removeprefix("validation.") for key in field_texts() if key.startswith("validation.")} - {
        "other"
    }
    assert set(kinds) == listed | WITHOUT_TEXT | {"value_error", "assertion_error", "string_pattern_mismatch"}
    for kind, each in kinds.items():
        context = each["example_context"]
        found: Any = {"type": kind, "ctx": context or {}, "msg": each["message_template_python"]}
        assert in_words(found) == "None" or not NOT_OURS.search(in_words(found)), kind
        if kind not in {"value_error", "assertion_error"}:
            assert each["message_template_python"] != in_words(found)


def test_every_pattern_of_a_request_is_said_in_words() -> None:
    patterns = {
        pattern for model in request_models() for _, pattern in kinds_in(model.__pydantic_core_schema__)
    }

    assert patterns
    assert patterns <= set(validation_messages._PATTERNS)


def test_no_value_of_any_field_is_answered_in_another_s_words() -> None:
    told: set[str] = set()

    def note(error: ValidationError) -> None:
        told.update(in_words(found) for found in error.errors(include_url=False))

    for model in set(request_models()):
        good = dict.fromkeys(model.model_fields)
        for body in (*ODD, *({**good, name: odd} for name in good for odd in ODD),
                     *({**good, name: dict.fromkeys(("name", "email", "phone"), odd)} for name in good for odd in ODD),
                     *({**good, name: [{"scan_id": odd, "uses": odd, "qr": odd, "function_code": odd, "scanned_at": odd}]}
                       for name in good for odd in ODD)):  # fmt: skip
            try:
                TypeAdapter(model).validate_python(body, strict=True)
            except ValidationError as error:
                note(error)
    for annotation in parameters():
        for odd in ODD:
            try:
                TypeAdapter(annotation).validate_python(odd)
            except ValidationError as error:
                note(error)

    assert len(told) > 20
    assert [words for words in told if NOT_OURS.search(words)] == []
    assert all(re.match(r"(Must|Required|Give|There is no)\b", words) for words in told), told


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"quantity": 0}, "#/quantity", "Must be 1 or more"),
        ({"quantity": 101}, "#/quantity", "Must be 100 or less"),
        ({"quantity": "2"}, "#/quantity", "Must be an integer: a JSON number without fraction or quotes"),
        ({"quantity": 1.5}, "#/quantity", "Must be an integer: a JSON number without fraction or quotes"),
        ({"metadata": []}, "#/metadata", "Must be an object"),
        ({"batch_id": 7}, "#/batch_id", "Must be a string"),
        ({"valid_until": 7}, "#/valid_until", "Must be a day as YYYY-MM-DD, such as 2026-03-31"),
    ],
)
def test_limits_and_kinds_are_named(seller: Seller, body: Any, pointer: str, words: str) -> None:
    refused = seller.http.post(
        "/api/ota/tickets/bulk-generate",
        json={"product_id": seller.product_id, "quantity": 1, "batch_id": "B", **body},
    )

    assert refused.json()["errors"] == [{"pointer": pointer, "detail": words}]

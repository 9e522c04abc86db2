"""Functions pass typed values. A dict with text keys and any values passes only where it is JSON."""

import ast
from collections.abc import Iterator
from pathlib import Path

import premade

SOURCE = Path(premade.__file__).parent
JSON = "dict[str, Any]"
ALLOWED = {
    # Metadata that a partner sends with a batch and gets back unchanged.
    "generation/batch_request.py:checked_metadata",
    "console/batches/new.py:_metadata",
    # Bodies of requests, as JSON and as arguments of an endpoint.
    "http/json_body.py:_object",
    "http/endpoint.py:read",
    "demo/command.py:_post",
    "demo/command.py:_shortened",
    # Members of answers in JSON.
    "runtime/errors.py:members",
    "redemption/verdict.py:members",
    "stock/quotas.py:members",
    "postgres/statements.py:columns_of",
    "tickets/key_file.py:key_file",
    # The values of an event, which is stored in a JSON column, and the rows of a history in JSON.
    "audit/event.py:values",
    "tickets/history.py:of",
    "tickets/history.py:history_of",
    # Rows of a statement that takes them as JSON.
    "redemption/redeem.py:_row",
    # Parts of the OpenAPI document, and arguments of a route for it.
    "http/problems.py:Responses",
    "http/problems.py:_body",
    "export/routes.py:_content",
    "tickets/routes.py:_picture_of",
    "api_docs/openapi.py:Json",
    # Events as they are in the archive, lines of JSON.
    "postgres/event_archive/search.py:search_month",
    "cli/archive.py:_shown",
    # The bill of materials, a CycloneDX document, and a licence in it.
    "cli/licences.py:bill_of_materials",
    "cli/licences.py:_licence",
    # Types of other libraries: the state of an ASGI application, the context of an error of pydantic.
    "http/protocol.py:__init__",
    "values/validation_messages.py:_as_shown",
}


def with_json() -> Iterator[str]:
    """Yield file and name of functions and type aliases with such a dict in an annotation."""
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            place = file.relative_to(SOURCE).as_posix()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                annotations = [*(each.annotation for each in given), node.returns]
                if any(each and JSON in ast.unparse(each) for each in annotations):
                    yield f"{place}:{node.name}"
            elif isinstance(node, ast.Assign) and JSON in ast.unparse(node.value).split("(")[0]:
                yield f"{place}:{ast.unparse(node.targets[0])}"


def test_only_json_travels_as_a_dict_of_anything() -> None:
    assert set(with_json()) == ALLOWED

"""Each text for people stands once, under its key, and each key has its text."""

import ast
import dataclasses
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from string import Formatter
from typing import Any, get_args, get_type_hints

import pytest
from support.published_texts import api

import premade
from premade.activation.refusals import AlreadyActivated, CurrenciesDiffer
from premade.api_docs.openapi import openapi_document
from premade.api_docs.schema_texts import SCHEMAS
from premade.http.problems import TRANSPORT_STATUS_OF
from premade.partners.partner import PartnerUnknown
from premade.runtime.errors import CommandError, DatabaseRestored, DomainError
from premade.staff.weak_password import _OWN_TEXT
from premade.stock.allotment import StockShort
from premade.texts.commands import command_texts
from premade.texts.fields import field_texts
from premade.texts.problems import problem_texts

SOURCES = sorted(Path(premade.__file__).parent.rglob("*.py"))
SAID = {"FieldError": 1, "ValueError": 0, "TrunkPrefixUnclear": 0}
"""The errors whose text people read, and which of their arguments it is."""
IN_PROGRAM = {"postgres/migrations.py", "tickets/picture.py"}
"""Their ValueErrors tell a developer of a mistake, not a person of a wrong field."""


def kinds(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in kind.__subclasses__():
        yield child
        yield from kinds(child)


@pytest.fixture(scope="module")
def problems() -> list[type[DomainError]]:
    """The classes of all problems, in whichever module."""
    for module in pkgutil.walk_packages(premade.__path__, "premade."):
        # These are not libraries: importing them changes the process.
        if not module.name.endswith(("__main__", "fork_server")):
            import_module(module.name)
    return [kind for kind in kinds(DomainError) if kind.code]


def test_every_problem_has_its_texts_and_every_text_its_problem(problems: list[type[DomainError]]) -> None:
    codes = [kind.code for kind in problems] + list(TRANSPORT_STATUS_OF)

    assert len(codes) > 80
    assert sorted(codes) == sorted(problem_texts())
    for code, text in problem_texts().items():
        assert not text.title.endswith("."), code
        assert text.cause.endswith("."), code
        assert text.remedy.endswith("."), code


def test_every_schema_has_its_description_and_every_description_its_schema() -> None:
    document: Any = openapi_document(api())

    assert set(SCHEMAS) == set(document["components"]["schemas"])


def reasons(kind: type[DomainError]) -> tuple[str, ...]:
    """The reasons that an error of this kind can have, by the type of its member `reason`."""
    member = getattr(kind, "reason", None)
    if isinstance(member, property):
        return get_args(get_type_hints(member.fget)["return"])
    return get_args(get_type_hints(kind).get("reason"))


def values(template: str) -> set[str]:
    """The names in the braces of a template."""
    return {name.partition(".")[0] for _, name, _, _ in Formatter().parse(template) if name}


def test_every_detail_uses_values_that_its_problem_has(problems: list[type[DomainError]]) -> None:
    details = 0
    for kind in problems:
        detail = problem_texts()[kind.code].detail
        fields = {field.name for field in dataclasses.fields(kind)}
        own = fields | {name for name, member in inspect.getmembers(kind) if isinstance(member, property)}
        if isinstance(detail, str):
            # A restored database is a database that is away, without its reasons.
            assert reasons(kind) == () or kind is DatabaseRestored, kind
        else:
            assert set(reasons(kind)) == set(detail), kind
        for template in [detail] if isinstance(detail, str) else detail.values():
            details += 1
            assert values(template) <= own | {"retry_after_seconds"}, kind
        assert set(kind.published) <= fields, kind

    assert details > 130


def test_an_error_shows_its_values_in_its_detail_and_publishes_some() -> None:
    sold = datetime(2025, 11, 4, 9, 38, 24, 824_000, tzinfo=UTC)
    error = AlreadyActivated("CRUISE-2025-FERRY-1762274285982", sold, "ORD-1762274304824", "PAY-1")

    assert (
        error.detail
        == str(error)
        == (
            "Ticket CRUISE-2025-FERRY-1762274285982 was activated at 2025-11-04T09:38:24.824Z by order "
            "ORD-1762274304824 for payment PAY-1."
        )
    )
    assert error.members == {
        "activated_at": "2025-11-04T09:38:24.824Z",
        "order_id": "ORD-1762274304824",
        "payment_reference": "PAY-1",
    }
    assert (
        CurrenciesDiffer(["EUR", "HKD"]).detail
        == "The prices of the tickets are in EUR, HKD. Nothing was activated."
    )
    assert StockShort(106, requested=2_000, available=1).members == {
        "product_id": 106,
        "requested": 2_000,
        "available": 1,
    }


def test_a_value_in_braces_is_no_template() -> None:
    error = PartnerUnknown("name", "{partner.__class__}")

    assert "{partner.__class__}" in error.detail


def calls(tree: ast.AST, *names: str) -> Iterator[tuple[str, ast.Call]]:
    """The calls of these functions and classes, each with its name."""
    for node in ast.walk(tree):
        name = getattr(getattr(node, "func", None), "id", "")
        if isinstance(node, ast.Call) and name in names:
            yield name, node


def names_of(call: ast.Call) -> set[str]:
    """The names of the keyword arguments."""
    return {keyword.arg for keyword in call.keywords if keyword.arg is not None}


def words_in(node: ast.AST, tree: ast.AST) -> list[str]:
    """The words that stand in an expression, or in what its names are set to; the arguments of `field_text` are none."""
    if isinstance(node, ast.Name):
        set_to = [
            each.value
            for each in ast.walk(tree)
            if isinstance(each, ast.Assign) and any(getattr(to, "id", "") == node.id for to in each.targets)
        ]
        return [word for value in set_to if not isinstance(value, ast.Name) for word in words_in(value, tree)]
    if isinstance(node, ast.Call):
        return []
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) and " " in node.value.strip() else []
    return [word for child in ast.iter_child_nodes(node) for word in words_in(child, tree)]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_the_text_of_a_field_error_stands_in_the_list(source: Path) -> None:
    tree = ast.parse(source.read_text())
    if str(source.relative_to(SOURCES[0].parent)) in IN_PROGRAM:
        return
    for function in [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]:
        for name, call in calls(function, *SAID):
            for argument in call.args[SAID[name] :]:
                assert words_in(argument, function) == [], call.lineno


def test_every_field_text_is_used_with_its_values() -> None:
    used: set[str] = set()
    for source in SOURCES:
        for name, call in calls(ast.parse(source.read_text()), "field_text", "_refuse", "pattern_in_words"):
            key = call.args[1 if name == "pattern_in_words" else 0]
            if isinstance(key, ast.Constant):
                assert str(key.value) in field_texts(), (source, call.lineno)
                assert names_of(call) == values(field_texts()[str(key.value)]), (source, key.value)
                used.add(str(key.value))

    dynamic = ("validation.", "staff.weak_")
    assert {key for key in field_texts() if not key.startswith(dynamic)} == {
        key for key in used if not key.startswith(dynamic)
    }
    assert len(used) > 90


def test_every_reason_why_a_password_is_weak_has_its_text() -> None:
    patterns = {"repeat", "sequence", "spatial", "date", "regex", "bruteforce"}

    assert {key for key in field_texts() if key.startswith("staff.weak_")} == {
        f"staff.weak_{reason}" for reason in patterns | _OWN_TEXT | {"word"}
    }


def command_errors(kind: type[Exception]) -> Iterator[type[Any]]:
    yield kind
    for child in kind.__subclasses__():
        yield from command_errors(child)


def test_every_text_of_a_command_is_used_with_its_values(problems: list[type[DomainError]]) -> None:
    assert problems
    codes = {kind.__name__: kind.code for kind in command_errors(CommandError)}
    used: dict[tuple[str, str], set[str]] = {}
    for source in SOURCES:
        for name, call in calls(ast.parse(source.read_text()), *codes, "command_text"):
            if isinstance(call.args[-1], ast.Constant):
                reason = str(call.args[-1].value)
                of = (
                    [codes[name]]
                    if name in codes
                    else [c for c, texts in command_texts().items() if reason in texts]
                )
                assert of, (source, call.lineno)
                used |= {(code, reason): names_of(call) for code in of}

    assert used.keys() == {(code, reason) for code, texts in command_texts().items() for reason in texts}
    for (code, reason), given in used.items():
        assert given == values(command_texts()[code][reason]), (code, reason)
    assert len(used) > 25

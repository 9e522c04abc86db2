"""Each text for people stands once, under its key, and each key has its text."""

import dataclasses
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
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
from premade.runtime.errors import DatabaseRestored, DomainError
from premade.stock.allotment import StockShort
from premade.texts.problems import problem_texts


def kinds(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in kind.__subclasses__():
        yield child
        yield from kinds(child)


@pytest.fixture(scope="module")
def problems() -> list[type[DomainError]]:
    """The classes of all problems, in whichever module."""
    for module in pkgutil.walk_packages(premade.__path__, "premade."):
        if not module.name.endswith("__main__"):
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

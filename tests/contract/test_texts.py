"""Each text for people stands once, under its key, and each key has its text."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from support.published_texts import api

import premade
from premade.api_docs.openapi import openapi_document
from premade.api_docs.schema_texts import SCHEMAS
from premade.http.problems import TRANSPORT_STATUS_OF
from premade.runtime.errors import DomainError
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

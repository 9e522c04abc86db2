"""Statements that only a test has, with rows as they come."""

from typing import Any

from psycopg.rows import dict_row

from premade.postgres.statements import Statement


def undeclared(name: str, text: bytes) -> Statement[[], dict[str, Any]]:
    def declared() -> dict[str, Any]: ...

    return Statement(name, text, (), declared, dict_row)

"""SQL statements: named in a `.sql` file, declared in the Python module beside it.

`lookup.sql`:

    -- name: ticket_by_code
    SELECT … WHERE partner_id = :partner_id AND ticket_code = :ticket_code;

`lookup_sql.py`, with the types of the parameters and of a row:

    statement = statements_of(__file__)

    @statement
    def ticket_by_code(*, partner_id: int, ticket_code: str) -> TicketRow: ...

A `:parameter` becomes PostgreSQL's own `$1`, so what is in the file can be PREPAREd as it stands. A row is a dataclass with
a field for each column, or the plain type of the only column, or None for a statement without a result.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from operator import itemgetter
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Generic, ParamSpec, TypeVar, get_args, get_type_hints

from psycopg.rows import BaseRowFactory, RowMaker, scalar_row, tuple_row

_NAME_LINE = re.compile(rb"^-- name: (\w+)\n", re.MULTILINE)
# Not the second colon of a cast, `x::text`.
_PARAMETER = re.compile(rb"(?<!:):([a-z_]+)\b")

P = ParamSpec("P")
Row = TypeVar("Row")


@dataclass(frozen=True)
class Statement(Generic[P, Row]):
    """One named statement; `parameters` in the order of their numbers."""

    name: str
    """Name with its package, as metrics show it: `tickets.ticket_by_code`."""
    text: bytes
    parameters: tuple[str, ...]
    declared: Callable[P, Row]
    """The function without a body that declares the types."""
    row_factory: BaseRowFactory[Row] = field(repr=False)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of `parameters`.

        Raises:
            KeyError: one is missing.
        """
        return [values[name] for name in self.parameters]


class StatementMismatch(Exception):
    """A declaration and its SQL differ; the message says in what."""


class SqlFile:
    """The statements of one `.sql` file; called with a declaration, it returns the statement."""

    def __init__(self, path: Path) -> None:
        parts = _NAME_LINE.split(path.read_bytes())
        self._path = path
        self._texts = {name.decode(): text for name, text in zip(parts[1::2], parts[2::2], strict=True)}

    @property
    def names(self) -> list[str]:
        """The names of all statements in the file."""
        return list(self._texts)

    def numbered(self, name: str) -> tuple[bytes, tuple[str, ...]]:
        """Return the text of a statement with PostgreSQL's `$1` for the parameters, and their names."""
        return _numbered(self._texts[name])

    def __call__(self, declared: Callable[P, Row]) -> Statement[P, Row]:
        """Return the statement that has the function's name.

        Raises:
            StatementMismatch: the file has no such statement, or one with other parameters.
        """
        name = declared.__name__
        if name not in self._texts:
            message = f"{self._path.name} has no statement {name!r}"
            raise StatementMismatch(message)
        text, parameters = self.numbered(name)
        types = get_type_hints(declared)
        row = types.pop("return")
        if types.keys() != set(parameters):
            message = (
                f"{self._path.name}: {name} takes {sorted(parameters)}, and its declaration {sorted(types)}"
            )
            raise StatementMismatch(message)
        qualified = f"{self._path.parent.name}.{name}"
        return Statement(qualified, text, parameters, declared, row_factory_of(row))


def statements_of(module_file: str) -> SqlFile:
    """Return the statements of `x.sql` for the module `x_sql.py` beside it."""
    path = Path(module_file)
    return SqlFile(path.with_name(path.stem.removesuffix("_sql") + ".sql"))


def _numbered(text: bytes) -> tuple[bytes, tuple[str, ...]]:
    names = list(dict.fromkeys(match.decode() for match in _PARAMETER.findall(text)))
    numbered = _PARAMETER.sub(lambda match: b"$%d" % (names.index(match[1].decode()) + 1), text)
    return numbered.strip().rstrip(b";"), tuple(names)


def row_factory_of(row: Any) -> BaseRowFactory[Any]:
    """Return psycopg's row factory for a dataclass, for the type of the only column, or for no result."""
    if row is NoneType:
        return tuple_row
    return _DataclassRows(row) if is_dataclass(row) else scalar_row


def enum_of(annotation: Any) -> type[StrEnum] | None:
    """Return the enum in a type such as `Outcome` or `Outcome | None`, if there is one."""
    for member in get_args(annotation) if isinstance(annotation, UnionType) else (annotation,):
        if isinstance(member, type) and issubclass(member, StrEnum):
            return member
    return None


class _DataclassRows:
    """A row factory for a dataclass; columns are matched to its fields by name, once.

    A row then costs one call of the class. psycopg's `class_row` builds a dict for each row first.
    """

    def __init__(self, row: Any) -> None:
        self._row = row
        self._make: RowMaker[Any] | None = None

    def __call__(self, cursor: Any) -> RowMaker[Any]:
        if self._make is None:
            if cursor.description is None:
                return tuple
            self._make = self._maker([column.name for column in cursor.description])
        return self._make

    def _maker(self, columns: list[str]) -> RowMaker[Any]:
        row = self._row
        names = [column.name for column in fields(row)]
        if sorted(columns) != sorted(names):
            message = f"{row.__name__} has the fields {names}, and the statement the columns {columns}"
            raise StatementMismatch(message)
        types = get_type_hints(row)
        enums = [
            (place, {str(member): member for member in enum})
            for place, name in enumerate(columns)
            if (enum := enum_of(types[name]))
        ]
        order = None if columns == names else itemgetter(*map(columns.index, names))

        def make(values: Any) -> Any:
            if enums:
                values = list(values)
                for place, members in enums:
                    if values[place] is not None:
                        values[place] = members[values[place]]
            return row(*(values if order is None else order(values)))

        return make


def columns_of(row: Any) -> dict[str, Any]:
    """Return the values of a row by column, for an answer in JSON."""
    return {column.name: getattr(row, column.name) for column in fields(row)}

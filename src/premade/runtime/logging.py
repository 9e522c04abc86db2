"""Structured log lines: JSON for machines, readable on a terminal. Nothing personal stands in one."""

import asyncio
import logging
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import Any, Literal, cast

import orjson
import structlog

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
"""Set at the edge; each request is a task, and a task has a context of its own."""
EMAIL_FIELD = "customer_email"
"""The one field that holds an e-mail address on purpose; a setting masks it too."""
_NEVER_PERSONAL = frozenset({int, float, bool, type(None)})
# Looked for from the start of each word only: from each of its characters would take minutes in a long one.
_EMAIL = re.compile(r"(?<![^\s@])[^\s@]+@([^\s@]+)")
_PHONE = re.compile(r"\+[1-9][0-9 ./()-]{5,20}[0-9]")
_API_KEY = re.compile(r"(pm_(?:live|test)_)\w+")
# PostgreSQL quotes whole rows there, and what a statement was given: names, addresses, numbers.
_DATABASE_DETAIL = re.compile(r"(DETAIL|CONTEXT):.*?(?=\n[ \t]*\n|\Z)", re.DOTALL)


def masked(text: str) -> str:
    """The text without e-mail addresses, phone numbers and API keys, wherever they stand in it."""
    # Most texts hold none of these; looking for each is cheaper than one expression.
    if (
        "@" not in text
        and "+" not in text
        and "pm_" not in text
        and "DETAIL:" not in text
        and "CONTEXT:" not in text
    ):
        return text
    text = _EMAIL.sub(r"***@\1", text)
    text = _PHONE.sub(lambda match: f"{match[0][:3]}***", text)
    text = _API_KEY.sub(r"\1***", text)
    return _DATABASE_DETAIL.sub(r"\1: (left out)", text)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {masked(str(name)): _masked(member) for name, member in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    # What is no text becomes one in the line anyway: an exception, a set, an object of ours.
    return value if isinstance(value, int | float | date | None) else masked(str(value))


def _complete(_logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What every line has. One step of our own at a third of the price of structlog's three."""
    if request_id := current_request_id.get():
        line.setdefault("request_id", request_id)
    line["level"] = "error" if method == "exception" else method
    line["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    return line


class _Mask:
    """Masks e-mail addresses and phone numbers in whatever a line says."""

    def __init__(self, *, email_field_too: bool) -> None:
        self._kept = frozenset[str]() if email_field_too else frozenset({EMAIL_FIELD})

    def __call__(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in line.items():
            kind = cast("type[Any]", type(value))
            if kind in _NEVER_PERSONAL or name in self._kept or name[0] == "_":
                continue
            line[name] = masked(value) if kind is str else _masked(value)
        return line


class _JoinedLines:
    """Lines to standard error; those of one turn of the event loop in one write, at the turn's end."""

    def __init__(self, *_: Any) -> None:
        self._lines: list[str] = []

    def msg(self, line: str) -> None:
        """One line."""
        self._lines.append(line)
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_soon(self._write)
            except RuntimeError:
                self._write()

    debug = info = warning = error = critical = fatal = exception = log = failure = msg

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        sys.stderr.write("\n".join([*lines, ""]))
        sys.stderr.flush()


def start_logging(form: Literal["auto", "json", "console"], *, mask_customer_email: bool = False) -> None:
    """Set up once a process. `auto` looks whether standard error is a terminal."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    before: list[Any] = [
        _complete,
        structlog.processors.format_exc_info,
        _Mask(email_field_too=mask_customer_email),
    ]
    last: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if console else _as_json
    structlog.configure(
        processors=[*before, last],
        logger_factory=_JoinedLines,
        cache_logger_on_first_use=True,
    )
    _let_others_log_alike(before, last)
    # The pool logs each connection attempt, uvicorn each step. The service logs what matters itself, once.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def log_only_what_goes_wrong() -> None:
    """For a command, whose answer alone belongs on standard output."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        # Standard error as it is when something goes wrong, not as it was here.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    # The driver warns of each connection that is closed in the middle; why it was, the command says itself.
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def _let_others_log_alike(before: list[Any], last: Any) -> None:
    """Lines of libraries, uvicorn's among them, in the same form."""
    handler = logging.StreamHandler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    # The text is formatted only after the foreign chain, so the mask runs among the last processors.
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before[:-1], processors=[remove, before[-1], last]
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def _as_json(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    return orjson.dumps(line, default=str).decode()


log: Any = structlog.get_logger()

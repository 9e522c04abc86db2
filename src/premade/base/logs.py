"""Structured log lines: JSON for machines, readable on a terminal. Nothing personal stands in one."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import orjson
import structlog

EMAIL_FIELD = "customer_email"
"""The one field that holds an e-mail address on purpose; a setting masks it too."""
_EMAIL = re.compile(r"([^\s@\"'(<,;:=]{1,64})@([^\s@\"')>,;:]{1,253})")
_PHONE = re.compile(r"\+[1-9][0-9 .()-]{5,20}[0-9]")
# PostgreSQL quotes whole rows there: names, addresses, numbers.
_DATABASE_DETAIL = re.compile(r"^DETAIL: .*$", re.MULTILINE)


def mask_email(text: str) -> str:
    """`john.smith@example.com` becomes `j***@example.com`, wherever it stands in the text."""
    return text if "@" not in text else _EMAIL.sub(lambda match: f"{match[1][0]}***@{match[2]}", text)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        text = mask_email(value)
        if "+" in text:
            text = _PHONE.sub(lambda match: f"{match[0][:3]}***", text)
        return _DATABASE_DETAIL.sub("DETAIL: (left out)", text) if "DETAIL:" in text else text
    if isinstance(value, dict):
        return {name: _masked(member) for name, member in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


class _Mask:
    """Masks e-mail addresses and phone numbers in whatever a line says."""

    def __init__(self, *, email_field_too: bool) -> None:
        self._kept = frozenset[str]() if email_field_too else frozenset({EMAIL_FIELD})

    def __call__(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in line.items():
            if name not in self._kept and name[0] != "_":
                line[name] = _masked(value)
        return line


def start_logging(form: Literal["auto", "json", "console"], *, mask_customer_email: bool = False) -> None:
    """Set up once a process. `auto` looks whether standard error is a terminal."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Mask(email_field_too=mask_customer_email),
    ]
    last: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if console else _as_json
    structlog.configure(
        processors=[*before, last],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    _let_others_log_alike(before, last)


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

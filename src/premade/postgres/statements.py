"""SQL lives in a `.sql` file beside the module that uses it, each statement named.

    -- name: ticket_by_code
    SELECT … WHERE partner_id = :partner_id AND ticket_code = :ticket_code;

A `:parameter` becomes PostgreSQL's own `$1`, so what is in the file can be PREPAREd as it stands.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_NAME_LINE = re.compile(rb"^-- name: (\w+)\n", re.MULTILINE)
# Not the second colon of a cast, `x::text`.
_PARAMETER = re.compile(rb"(?<!:):([a-z_]+)\b")


@dataclass(frozen=True)
class Statement:
    """One named statement; `parameters` in the order of their numbers."""

    name: str
    text: bytes
    parameters: tuple[str, ...]

    def arguments(self, given: dict[str, Any]) -> list[Any]:
        """The values in the order of `parameters`. KeyError for one that is missing."""
        return [given[name] for name in self.parameters]


def _statement(name: str, text: bytes) -> Statement:
    names = list(dict.fromkeys(match.decode() for match in _PARAMETER.findall(text)))
    numbered = _PARAMETER.sub(lambda match: b"$%d" % (names.index(match[1].decode()) + 1), text)
    return Statement(name, numbered.strip().rstrip(b";"), tuple(names))


def load(module_file: str) -> Any:
    """The statements of the `.sql` file beside `module_file`, as attributes."""
    parts = _NAME_LINE.split(Path(module_file).with_suffix(".sql").read_bytes())
    names, texts = parts[1::2], parts[2::2]
    return SimpleNamespace(
        **{name.decode(): _statement(name.decode(), text) for name, text in zip(names, texts, strict=True)}
    )

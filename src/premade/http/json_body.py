"""JSON from outside. What Python's readers let through and PostgreSQL or a person would stumble over is
refused here, each with its place: a NUL in a string, a lone surrogate, NaN and Infinity, a key given twice.
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_SURROGATE = re.compile("[\ud800-\udfff]")
# From so many digits on, an integer may have more than 64 bits, and the quick reader would round it.
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_NUL_ESCAPE = b"\\u0000"
DEPTH_MAX = 100
TRAPS_NAMED_MAX = 100
POINTER_NAME_CHARACTERS_MAX = 100
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
# The way to a member: the way to what holds it, and its name there. Made into a pointer only when one is needed.
_Way = tuple["_Way | None", "str | int"]


class _DuplicateKeys(dict[str, Any]):
    """An object in which a key was given twice."""

    repeated: list[str]


def read_json(raw: bytes) -> tuple[Any, list[FieldError]]:
    """The value, and what is wrong inside it. Invalid when it is no JSON at all.

    A byte order mark is ignored (RFC 8259, 8.1).
    """
    raw = raw.removeprefix(BOM_UTF8)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return _read_slowly(raw, error)
    if _NUL_ESCAPE in raw or _LONG_NUMBER.search(raw) or not _has_colons(raw, _members(value)):
        return _read_slowly(raw, None)
    return value, []


def _has_colons(raw: bytes, count: int) -> bool:
    """Whether so many stand outside of strings. There are never fewer than members: more is a key given twice."""
    return raw.count(b":") == count or _STRING.sub(b"", raw).count(b":") == count


def _members(value: Any) -> int:
    """How many members all objects in `value` have. Invalid when it is nested too deeply."""
    count, level = 0, [value]
    for _ in range(DEPTH_MAX):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                count += len(item)  # pyright: ignore[reportUnknownArgumentType]
                deeper.extend(item.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            elif isinstance(item, list):
                deeper.extend(item)  # pyright: ignore[reportUnknownArgumentType]
        if not deeper:
            return count
        level = deeper
    raise Invalid([_too_deep()])


def _too_deep() -> FieldError:
    return FieldError("#", field_text("json.too_deep", levels_max=DEPTH_MAX))


def _read_slowly(raw: bytes, refusal: orjson.JSONDecodeError | None) -> tuple[Any, list[FieldError]]:
    """Python's own reader takes more than JSON; what it took too much of is then found and named."""
    encoding = json.detect_encoding(raw)
    if not encoding.startswith("utf-8"):
        raise Invalid([FieldError("#", field_text("json.encoding", encoding=encoding[:6].upper()))])
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise Invalid([FieldError("#", field_text("json.not_utf8", position=error.start))]) from None
    except RecursionError:
        raise Invalid([_too_deep()]) from None
    except ValueError as error:
        raise _not_json(str(error) if isinstance(error, json.JSONDecodeError) else "") from None
    _members(value)  # for its bound on depth: what follows is recursive
    errors = list(islice(_traps(value, None), TRAPS_NAMED_MAX))
    if errors:
        return _without_traps(value), errors
    if refusal is not None:
        raise _not_json(refusal.msg)
    return value, []


def _not_json(why: str) -> Invalid:
    text = field_text("json.invalid_because", why=why) if why else field_text("json.invalid")
    return Invalid([FieldError("#", text)])


def _without_traps(value: Any) -> Any:
    """So that the other fields can be checked, and named too if they are wrong."""
    if isinstance(value, str):
        return _SURROGATE.sub("", value.replace("\0", ""))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        return None
    if isinstance(value, dict):
        return {_without_traps(name): _without_traps(member) for name, member in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_without_traps(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    marked = _DuplicateKeys(members)
    counts = Counter(name for name, _ in pairs)
    marked.repeated = sorted(name for name, count in counts.items() if count > 1)
    return marked


def step(pointer: str, name: str | int) -> str:
    """The JSON Pointer (RFC 6901) of a member, safe to print: escapes, and nothing invisible."""
    escaped = str(name)[:POINTER_NAME_CHARACTERS_MAX].replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{escaped.encode('ascii', 'backslashreplace').decode()}".replace("\0", "\\0")


def _pointer(way: _Way | None) -> str:
    names: list[str | int] = []
    while way is not None:
        way, name = way
        names.append(name)
    pointer = "#"
    for name in reversed(names):
        pointer = step(pointer, name)
    return pointer


def _traps(value: Any, way: _Way | None) -> Iterator[FieldError]:
    if isinstance(value, str):
        yield from _string_traps(value, way)
    elif isinstance(value, float) and not math.isfinite(value):
        yield FieldError(_pointer(way), field_text("json.number_out_of_range"))
    elif isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        yield FieldError(_pointer(way), field_text("json.integer_too_long"))
    elif isinstance(value, dict):
        if isinstance(value, _DuplicateKeys):
            for name in value.repeated:
                yield FieldError(_pointer((way, name)), field_text("json.duplicate_key"))
        for name, member in value.items():  # pyright: ignore[reportUnknownVariableType]
            inside: _Way = (way, str(name))  # pyright: ignore[reportUnknownArgumentType]
            yield from _string_traps(str(name), inside)  # pyright: ignore[reportUnknownArgumentType]
            yield from _traps(member, inside)
    elif isinstance(value, list):
        for position, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _traps(item, (way, position))


def _string_traps(text: str, way: _Way | None) -> Iterator[FieldError]:
    if "\0" in text:
        yield FieldError(_pointer(way), field_text("json.nul"))
    if _SURROGATE.search(text):
        yield FieldError(_pointer(way), field_text("json.surrogate"))

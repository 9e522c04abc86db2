"""Read JSON from outside, and find the traps that Python's readers accept but PostgreSQL or a person would not.

The traps are U+0000 in a string, a lone surrogate, NaN and Infinity, integers of more than 64 bits, and duplicate keys.
Each is reported with its JSON Pointer.
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
# An integer of this many digits may have more than 64 bits. orjson would turn it into a rounded float.
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_NUL_ESCAPE = b"\\u0000"
DEPTH_MAX = 100
TRAPS_NAMED_MAX = 100
POINTER_NAME_CHARACTERS_MAX = 100
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
_Path = tuple["_Path | None", "str | int"]
"""Path of a member: the path of its parent (None: the whole value), and its name or position there.

A linked list, because few paths are ever written as a pointer.
"""


class _DuplicateKeys(dict[str, Any]):
    """An object with duplicate keys."""

    repeated: list[str]


def read_json(raw: bytes) -> tuple[Any, list[FieldError]]:
    """Return the value and the traps in it. A byte order mark is ignored (RFC 8259, 8.1).

    Raises:
        Invalid: it is not JSON, or nested too deeply.
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
    """Return whether the body has this number of colons outside of strings. More colons than members: a duplicate key."""
    return raw.count(b":") == count or _STRING.sub(b"", raw).count(b":") == count


def _members(value: Any) -> int:
    """Return the number of members of all objects in the value.

    Raises:
        Invalid: it is nested too deeply.
    """
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
    """Read with Python's reader, which accepts more than JSON, and find the traps that it accepted.

    `refusal`: the error of orjson, if that refused the body.
    """
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
    _members(value)  # limits the depth: the functions below are recursive
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
    """Return the value without its traps, so that its other fields can be checked too."""
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
    duplicates = _DuplicateKeys(members)
    counts = Counter(name for name, _ in pairs)
    duplicates.repeated = sorted(name for name, count in counts.items() if count > 1)
    return duplicates


def step(pointer: str, name: str | int) -> str:
    """Return the JSON Pointer (RFC 6901) of a member, in printable ASCII: other characters are escaped."""
    escaped = str(name)[:POINTER_NAME_CHARACTERS_MAX].replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{escaped.encode('ascii', 'backslashreplace').decode()}".replace("\0", "\\0")


def _pointer(path: _Path | None) -> str:
    names: list[str | int] = []
    while path is not None:
        path, name = path
        names.append(name)
    pointer = "#"
    for name in reversed(names):
        pointer = step(pointer, name)
    return pointer


def _traps(value: Any, path: _Path | None) -> Iterator[FieldError]:
    if isinstance(value, str):
        yield from _string_traps(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        yield FieldError(_pointer(path), field_text("json.number_out_of_range"))
    elif isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        yield FieldError(_pointer(path), field_text("json.integer_too_long"))
    elif isinstance(value, dict):
        if isinstance(value, _DuplicateKeys):
            for name in value.repeated:
                yield FieldError(_pointer((path, name)), field_text("json.duplicate_key"))
        for name, member in value.items():  # pyright: ignore[reportUnknownVariableType]
            inside: _Path = (path, str(name))  # pyright: ignore[reportUnknownArgumentType]
            yield from _string_traps(str(name), inside)  # pyright: ignore[reportUnknownArgumentType]
            yield from _traps(member, inside)
    elif isinstance(value, list):
        for position, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _traps(item, (path, position))


def _string_traps(text: str, path: _Path | None) -> Iterator[FieldError]:
    if "\0" in text:
        yield FieldError(_pointer(path), field_text("json.nul"))
    if _SURROGATE.search(text):
        yield FieldError(_pointer(path), field_text("json.surrogate"))

"""The product's own message for each kind of validation error that pydantic knows. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

_TEXT, _NUMBER, _INTEGER = "Must be a string", "Must be a number", "Must be an integer"
_OBJECT, _ARRAY = "Must be an object", "Must be an array"
_DAY, _TIME = (
    "Must be a day as YYYY-MM-DD, such as 2026-03-31",
    "Must be a time, such as 2026-03-31T18:00:00Z",
)
_SPAN, _BOOLEAN = "Must be a length of time", "Must be true or false"
_OTHER = "Must be a value of another kind"
_WORDS: dict[str, str] = {
    "missing": "Required",
    "missing_argument": "Required",
    "missing_keyword_only_argument": "Required",
    "missing_positional_only_argument": "Required",
    "extra_forbidden": "Must not be given: there is no such member",
    "unexpected_keyword_argument": "Must not be given: there is no such member",
    "unexpected_positional_argument": "Must not be given: there is no such member",
    "multiple_argument_values": "Must be given once",
    "frozen_field": "Must stay as it is",
    "frozen_instance": "Must stay as it is",
    "none_required": "Must be null",
    "greater_than": "Must be more than {gt}",
    "greater_than_equal": "Must be {ge} or more",
    "less_than": "Must be less than {lt}",
    "less_than_equal": "Must be {le} or less",
    "multiple_of": "Must be a multiple of {multiple_of}",
    "finite_number": "Must be a finite number",
    "too_short": "Must have {min_length} or more items",
    "too_long": "Must have {max_length} or fewer items",
    "string_too_short": "Must have {min_length} or more characters",
    "string_too_long": "Must have {max_length} or fewer characters",
    "string_not_ascii": "Must have ASCII characters only",
    "string_unicode": "Must be text in UTF-8",
    "bytes_too_short": "Must have {min_length} or more bytes",
    "bytes_too_long": "Must have {max_length} or fewer bytes",
    "bytes_invalid_encoding": "Must be text in UTF-8",
    "enum": "Must be {expected}",
    "literal_error": "Must be {expected}",
    "union_tag_invalid": "Must be one of {expected_tags}",
    "union_tag_not_found": "Must name its kind in {discriminator}",
    "int_type": "Must be an integer: a JSON number without fraction or quotes",
    "int_parsing": _INTEGER,
    "int_parsing_size": "Must be an integer of at most 64 bits",
    "int_from_float": "Must be an integer, without a fraction",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "complex_type": _NUMBER,
    "complex_str_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_digits": "Must have {max_digits} or fewer digits",
    "decimal_max_places": "Must have {decimal_places} or fewer decimals",
    "decimal_whole_digits": "Must have {whole_digits} or fewer digits before the decimal point",
    "fraction_type": _NUMBER,
    "fraction_parsing": _NUMBER,
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "string_type": _TEXT,
    "bytes_type": _TEXT,
    "url_type": _TEXT,
    "uuid_type": _TEXT,
    "json_type": _TEXT,
    "invalid_key": "Must have names that are strings",
    "json_invalid": "Must be valid JSON",
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "dataclass_exact_type": _OBJECT,
    "named_tuple_type": _OBJECT,
    "arguments_type": _OBJECT,
    "dict_type": _OBJECT,
    "frozen_dict_type": _OBJECT,
    "ordered_dict_type": _OBJECT,
    "counter_type": _OBJECT,
    "mapping_type": _OBJECT,
    "list_type": _ARRAY,
    "tuple_type": _ARRAY,
    "deque_type": _ARRAY,
    "set_type": _ARRAY,
    "frozen_set_type": _ARRAY,
    "iterable_type": _ARRAY,
    "iteration_error": _ARRAY,
    "set_item_not_hashable": "Must have only strings and numbers as items",
    "recursion_loop": "Must not contain itself",
    "recursion_depth_exceeded": "Must not be nested so deeply",
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "date_past": "Must be in the past",
    "date_future": "Must be in the future",
    "time_type": "Must be a time of day, such as 18:00",
    "time_parsing": "Must be a time of day, such as 18:00",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_past": "Must be in the past",
    "datetime_future": "Must be in the future",
    "timezone_naive": "Must have no offset from UTC",
    "timezone_aware": "Must have an offset from UTC, such as Z or +08:00",
    "timezone_offset": "Must have the offset from UTC of {tz_expected} seconds",
    "time_delta_type": _SPAN,
    "time_delta_parsing": _SPAN,
    "url_parsing": "Must be a URL, such as https://example.com",
    "url_syntax_violation": "Must be a URL, such as https://example.com",
    "url_too_long": "Must have {max_length} or fewer characters",
    "url_scheme": "Must be a URL that begins with {expected_schemes}",
    "uuid_parsing": "Must be a UUID",
    "uuid_version": "Must be a UUID of version {expected_version}",
    # Only values inside the program can cause these, never input.
    "no_such_attribute": _OTHER,
    "needs_python_object": _OTHER,
    "get_attribute_error": _OTHER,
    "default_factory_not_called": _OTHER,
    "missing_sentinel_error": _OTHER,
    "ellipsis_error": _OTHER,
    "is_instance_of": _OTHER,
    "is_subclass_of": _OTHER,
    "callable_type": _OTHER,
}
_PATTERNS: dict[str, str] = {}


def pattern_in_words(pattern: str, words: str) -> str:
    """Register the error message for texts that do not match this regular expression, and return the expression."""
    _PATTERNS[pattern] = words
    return pattern


def in_words(found: ErrorDetails) -> str:
    """Return the message of an error: what is wrong, and what would be right."""
    kind, context = found["type"], found.get("ctx", {})
    if kind in {"value_error", "assertion_error"}:
        # Raised by a rule of the product, with its own message.
        return str(context.get("error", _OTHER))
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context.get("pattern", ""), _OTHER)
    return _WORDS.get(kind, _OTHER).format_map(_as_shown(context))


def _as_shown(context: Mapping[str, Any]) -> dict[str, Any]:
    return {name: f"{value:,}" if type(value) is int else value for name, value in context.items()}

"""Whole numbers as an operator types them."""

import pytest

from premade.runtime.errors import Invalid
from premade.values.operator_input import whole_number

READ = {
    "0": 0,
    "1000": 1000,
    " 1,000\n": 1000,
    "12,000": 12_000,
    "1,234,567": 1_234_567,
    "007": 7,
    "9" * 18: 10**18 - 1,
    "999" + ",999" * 5: 10**18 - 1,
}


@pytest.mark.parametrize(("text", "number"), READ.items())
def test_digits_alone_or_in_groups_of_three_are_a_whole_number(text: str, number: int) -> None:
    assert whole_number(text, "quantity") == number


NONE = ("", ",", "1,5", "1,50", "1,0000", "1000,000", ",100", "100,", "1,,000", "1, 000", "1.5", "1.000", "1 000",
        "-1", "+1", "1_0", "1e3", "abc", "٣", "1\0", "1" * 19, "1" + ",000" * 6)  # fmt: skip


@pytest.mark.parametrize("text", NONE)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(Invalid, match="^quantity: Must be a whole number, such as 1000$"):
        whole_number(text, "quantity")

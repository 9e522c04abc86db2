"""What is taken as a customer's name, e-mail address and phone number."""

import email_validator
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from premade.activation import customer


@pytest.mark.parametrize(
    "name", ["John Smith", "王小明", "Ольга Ёлкина", "Jürgen", "عمر", "X Æ A-12", "👩‍👩‍👧", " a", "x" * 200]
)
def test_names_of_any_script_are_kept_as_they_are(name: str) -> None:
    assert customer.name(name) == name


@pytest.mark.parametrize("name", ["", " ", "　", "x" * 201, "a\nb", "a\tb", "a\x7fb", "a\u2028b", "a\0"])
def test_names_that_are_blank_too_long_or_hold_control_characters_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Must"):
        customer.name(name)


@pytest.mark.parametrize(
    ("given_address", "kept"),
    [
        ("john.smith@example.com", "john.smith@example.com"),
        ("John.Smith@EXAMPLE.com", "John.Smith@example.com"),
        ("josé@example.com", "josé@example.com"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("a+b@sub.example.co.uk", "a+b@sub.example.co.uk"),
    ],
)
def test_addresses_are_kept_with_their_domain_in_lower_case(given_address: str, kept: str) -> None:
    assert customer.email(given_address) == kept


@pytest.mark.parametrize(
    "address",
    ["", "john", "john@", "@example.com", "a b@example.com", "a@b", "a@@example.com", "a@example..com",
     "a@" + "b." * 130 + "com", "a\0@example.com", "a@example.com\n", "Ann <a@example.com>"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="Must"):
        customer.email(address)


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("+1234567890", "+1234567890"),
        ("+852 9123 4567", "+85291234567"),
        ("+1 (234) 567-890", "+1234567890"),
        ("+49.30.1234567", "+49301234567"),
        ("+1234567", "+1234567"),
        ("+861234567890123", "+861234567890123"),
    ],
)
def test_numbers_are_kept_in_e_164(number: str, kept: str) -> None:
    assert customer.phone(number) == kept


@pytest.mark.parametrize(
    "number",
    ["", "1234567890", "+", "+123456", "+1234567890123456", "+0123456789", "+999123456789", "+21012345678",
     "++1234567890", "+12345abc890", "+１２３４５６７８９０", "+٠١٢٣٤٥٦٧٨٩", "+1234567890 ext 5", "+1234567890\n"],
)  # fmt: skip
def test_what_is_no_number_of_a_country_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="Must"):
        customer.phone(number)


@given(st.text(max_size=40))
def test_a_number_is_in_e_164_or_refused_whatever_is_sent(text: str) -> None:
    try:
        kept = customer.phone(text)
    except ValueError:
        return
    assert kept[0] == "+"
    assert kept[1:].isascii()
    assert kept[1:].isdigit()
    assert 7 <= len(kept) - 1 <= 15
    assert customer.phone(kept) == kept


@given(st.text(max_size=60))
def test_an_address_that_is_taken_is_taken_again_in_the_form_it_is_kept_in(text: str) -> None:
    try:
        kept = customer.email(text)
    except ValueError:
        return
    assert customer.email(kept) == kept


def taken_by_the_library(text: str) -> str | None:
    try:
        kept = email_validator.validate_email(text, check_deliverability=False).normalized
    except email_validator.EmailNotValidError:
        return None
    return kept if max(len(text), len(kept)) <= 254 else None


def taken_here(text: str) -> str | None:
    try:
        return customer.email(text)
    except ValueError:
        return None


_PARTS = st.text(alphabet="abz019._+-", max_size=12) | st.text(alphabet="a-.", min_size=55, max_size=66)
_LABELS = st.lists(
    _PARTS | st.sampled_from(["xn--80ak6aa92e", "xn", "com", "c0", "a--b", "ab--c"]), max_size=5
)
_ENDS = st.sampled_from(["", ".com", ".a1", "test", ".test", *email_validator.SPECIAL_USE_DOMAIN_NAMES])


@settings(max_examples=2_000)
@given(_PARTS, _LABELS, _ENDS, st.sampled_from(["", "A", "é", "\n", " ", "@", '"']), st.integers(0, 40))
@example("a" * 60, ["b" * 63, "c" * 63, "d" * 63], ".com", "", 0)
@example("a" * 61, ["b" * 63, "c" * 63, "d" * 62], ".com", "", 0)
@example("abuse", ["example"], ".com", "", 0)
@example("a", ["b"], ".com", "\n", 40)
def test_an_address_is_taken_and_kept_just_as_the_library_would(
    local: str, labels: list[str], end: str, odd: str, place: int
) -> None:
    text = f"{local}@{'.'.join(labels)}{end}"
    text = text[:place] + odd + text[place:]
    assert taken_here(text) == taken_by_the_library(text)


def test_an_ordinary_address_is_not_sent_through_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(email_validator, "validate_email")

    assert (
        customer.email("john.smith+sea_2@mail.example-shop.co.uk")
        == "john.smith+sea_2@mail.example-shop.co.uk"
    )


@pytest.mark.parametrize("reference", ["PAY-OTA-2025-001", "x" * 128, "支付 7", "a b"])
def test_payment_references_of_printable_characters_are_kept(reference: str) -> None:
    assert customer.payment_reference(reference) == reference


@pytest.mark.parametrize("reference", ["", " ", "x" * 129, "a\nb", "a\0"])
def test_other_payment_references_are_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="Must"):
        customer.payment_reference(reference)

"""What is taken as a customer's name, e-mail address and phone number."""

import re
from contextlib import suppress

import email_validator
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from premade.activation import customer


@pytest.mark.parametrize(
    "name",
    ["John Smith", "王小明", "Ольга Ёлкина", "Jürgen", "عمر", "X Æ A-12", "👩‍👩‍👧", "a\u3000b", "x" * 200,
     "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", "\u845b\U000e0100\u98fe"],
)  # fmt: skip
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
        (" john@example.com\n", "john@example.com"),
        ("jose\u0301@example.com", "jos\u00e9@example.com"),
        ("\u202ajohn@example.com\u202c", "john@example.com"),
        ("john@xn--fsqu00a.xn--4rr70v", "john@\u4f8b\u5b50.\u5e7f\u544a"),
        ('"john smith"@example.com', '"john smith"@example.com'),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("\u00e9" * 32 + "@example.com", "\u00e9" * 32 + "@example.com"),
    ],
)
def test_addresses_are_kept_with_their_domain_in_lower_case(given_address: str, kept: str) -> None:
    assert customer.email(given_address) == kept


@pytest.mark.parametrize(
    "address",
    ["", "john", "john@", "@example.com", "a b@example.com", "a@b", "a@@example.com", "a@example..com",
     "a@" + "b." * 130 + "com", "a\0@example.com", "Ann <a@example.com>", "a" * 65 + "@example.com", "\u00e9" * 33 + "@example.com",
     "a@" + "\u4f8b" * 60 + "." + "\u4f8b" * 60 + ".com", '"' + "a" * 63 + '"@example.com'],
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
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("+44 (020) 7946 0018", "+442079460018"),
        ("+44 020 7946 0018", "+442079460018"),
        ("(+44) (0) 20 7946 0018", "+442079460018"),
        ("+49 (0) 30 1234567", "+49301234567"),
        ("+36 (06) 1 2345678", "+3612345678"),
        ("+7 (8) 495 1234567", "+74951234567"),
        ("+852 (0)2123 4567", "+85221234567"),
        ("+39 06 6982 0000", "+390669820000"),
        ("+39 (0)6 6982 0000", "+390669820000"),
        ("+225 07 12 34 56 78", "+2250712345678"),
        ("\u202a+44 20 7946 0018\u202c", "+442079460018"),
        ("\ufeff+44\u2009\u200e20\u00a07946\u20110018\u200f", "+442079460018"),
        ("+44/20/7946\u20130018", "+442079460018"),
        ("+86\uff0810\uff0912345678", "+861012345678"),
        ("+1234567890\n", "+1234567890"),
    ],
)
def test_numbers_are_kept_in_e_164(number: str, kept: str) -> None:
    assert customer.phone(number) == kept


@pytest.mark.parametrize(
    "number",
    ["", "1234567890", "+", "+123456", "+1234567890123456", "+0123456789", "+999123456789", "+21012345678",
     "++1234567890", "+12345abc890", "+１２３４５６７８９０", "+٠١٢٣٤٥٦٧٨٩", "+1234567890 ext 5", "+44 (0)", "+1 234\n567 8901"],
)  # fmt: skip
def test_what_is_no_number_of_a_country_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="Must"):
        customer.phone(number)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+1 234 567 8901 x123", "without an extension; leave out 'x123'"),
        ("+1 234 567 8901 ext. 5", "without an extension; leave out 'ext. 5'"),
        ("+12345678901;ext=5", "without an extension; leave out ';ext=5'"),
        ("+12345678901#5", "without an extension; leave out '#5'"),
        ("+1\uff12\uff13\uff14567890", "character 3 is FULLWIDTH DIGIT TWO (U+FF12)"),
        ("\uff0b1234567890", "character 1 is FULLWIDTH PLUS SIGN (U+FF0B)"),
        ("+39 (0)333 1234567", "as dialled from abroad"),
        ("+44 20 (0) 7946 0018", "Must not contain (0) within the number"),
    ],
)
def test_what_is_wrong_with_a_number_is_named(number: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        customer.phone(number)


@given(st.text(alphabet="+0123456789 ()/-.\u200e\u2011\u00a0x", max_size=24))
@example("+4400201234567")
@example("+44(0)0201234567")
def test_a_number_that_is_taken_is_taken_again_in_the_form_it_is_kept_in(text: str) -> None:
    with suppress(ValueError):
        kept = customer.phone(text)
        assert customer.phone(kept) == kept


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
        found = email_validator.validate_email(
            text.strip(), check_deliverability=False, allow_quoted_local=True
        )
    except email_validator.EmailNotValidError:
        return None
    kept = found.normalized
    fits = all(
        len(each.encode()) <= 254 and len(each.rpartition("@")[0].encode()) <= 64
        for each in (text.strip(), kept)
    )
    return kept if fits else None


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


@pytest.mark.nightly
@settings(max_examples=2_000, deadline=None)
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


@pytest.mark.parametrize(
    ("reference", "kept"),
    [
        (" PAY-1\t", "PAY-1"),
        ("\ufeffPAY\u200b-1", "PAY-1"),
        ("PAY\u00a01", "PAY 1"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_payment_references_are_kept_without_what_nobody_sees(reference: str, kept: str) -> None:
    assert customer.payment_reference(reference) == kept


@pytest.mark.parametrize("reference", ["", " ", "x" * 129, "a\nb", "a\0", "\u200b", "a\u202eb", "a\ue000"])
def test_other_payment_references_are_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="Must"):
        customer.payment_reference(reference)

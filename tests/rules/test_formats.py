"""Numbers, money and dates in each language, by CLDR."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from babel import Locale

from premade.texts import formats
from premade.texts.formats import NO_BREAK_SPACE
from premade.texts.languages import LANGUAGES, SIMPLIFIED_CHINESE, TRADITIONAL_CHINESE
from premade.texts.translation import ENGLISH, Language, ngettext, reading_in

TODAY = date(2026, 12, 1)
BEFORE = datetime(2026, 11, 30, 7, 32, 5, tzinfo=UTC)
each_language = pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)


@each_language
def test_thousands_are_separated_as_in_the_locale(language: Language) -> None:
    # CLDR is not loaded for this: commands write numbers, too.
    assert language.group == Locale.parse(language.locale).number_symbols["latn"]["group"]


def test_another_language_has_another_separator() -> None:
    german = Language("de", "Deutsch", "de_DE", ENGLISH.load, group=".")
    with reading_in(german):
        assert formats.number(12_000) == "12.000"
        assert ngettext("%(num)s ticket", "%(num)s tickets", 12_000) == "12.000 tickets"
        assert formats.money(Decimal("1288.50"), "HKD") == f"1.288,50{NO_BREAK_SPACE}HK$"
        assert formats.decimal(0.44, 1) == "0,4"


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("288.00", "HKD", "HK$288.00"),
        ("1288", "JPY", "JP¥1,288"),
        ("1.234", "KWD", f"KWD{NO_BREAK_SPACE}1.234"),
        ("-0.50", "USD", "-US$0.50"),
        ("1.005", "HKD", "HK$1.005"),
    ],
)
def test_money_has_the_decimals_of_its_currency(amount: str, currency: str, shown: str) -> None:
    assert formats.money(Decimal(amount), currency) == shown


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        (ENGLISH, ("30 Nov, 07:32", "30 Nov, 07:32:05", "30 Nov 2026", "20k", "4.3%")),
        (TRADITIONAL_CHINESE, ("11月30日 07:32", "11月30日 07:32:05", "2026年11月30日", "20K", "4.3%")),
        (SIMPLIFIED_CHINESE, ("11月30日 07:32", "11月30日 07:32:05", "2026年11月30日", "2万", "4.3%")),
    ],
    ids=["en", "zh-Hant", "zh-Hans"],
)
def test_a_time_names_its_year_only_if_it_is_another_one(language: Language, shown: tuple[str, ...]) -> None:
    with reading_in(language):
        assert (
            formats.minute(BEFORE, TODAY),
            formats.second(BEFORE, TODAY),
            formats.day(BEFORE),
            formats.compact(20_000),
            formats.percent(0.043),
        ) == shown
        assert "2026" in formats.minute(BEFORE, TODAY.replace(year=2027))

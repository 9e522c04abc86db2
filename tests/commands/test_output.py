"""What commands print for people: nothing is cut off, reordered or taken for markup, on 80 columns too."""

from collections.abc import Iterator

import pytest
from support.postgres import empty_database
from support.terminal import COLUMNS, Operator

WIDE = "200"
LISTS = ["product", "partner", "key", "allotment"]
PARTNER = "Blue [bold]Travel[/bold] Holdings (Hong Kong)"


@pytest.fixture(scope="module")
def operator(dsn: str) -> Iterator[Operator]:
    """One with a product, a partner of an awkward name, a key and an allotment."""
    with empty_database(dsn) as own:
        operator = Operator(own)
        assert "0012_pre_generated_tickets.sql" in operator.shows("migrate")
        assert operator.shows("partner", "list") == "None yet.\n"
        operator.shows(
            "product", "add", "--id", "106", "--name", "Harbour Cruise Premium", "--type", "FERRY", "--price",
            "288", "--currency", "HKD", "--entitles", "ferry=2", "--entitles", "gift=1",
            "--entitles", "tokens=10",
        )  # fmt: skip
        operator.shows("partner", "add", PARTNER)
        operator.shows("key", "create", "--partner", PARTNER, "--permission", "tickets:bulk-generate")
        operator.shows("allotment", "set", "--product", "106", "--channel", "ota", "--quantity", "2000")
        yield operator


@pytest.mark.parametrize("columns", [str(COLUMNS), WIDE])
@pytest.mark.parametrize("noun", LISTS)
def test_a_list_shows_every_column_whole(operator: Operator, noun: str, columns: str) -> None:
    [row] = operator.does(noun, "list")

    shown = operator.shows(noun, "list", COLUMNS=columns)

    assert max(len(line) for line in shown.splitlines()) <= int(columns)
    words = shown.split()
    assert set(row) <= set(words)
    for value in row.values():
        if isinstance(value, int | str) and not isinstance(value, bool) and "T" not in str(value):
            assert str(value) in shown


def test_a_table_is_used_where_it_fits(operator: Operator) -> None:
    narrow, wide = operator.shows("key", "list"), operator.shows("key", "list", COLUMNS=WIDE)

    assert len(wide.splitlines()) == 2
    assert len(narrow.splitlines()) == len(wide.splitlines()[0].split())
    assert len(operator.shows("allotment", "list").splitlines()) == 2


def test_brackets_in_a_name_are_no_markup(operator: Operator) -> None:
    assert PARTNER in operator.shows("partner", "list", COLUMNS=WIDE)
    assert PARTNER in operator.shows("partner", "list")


def test_a_product_keeps_the_order_of_its_functions_when_something_else_is_changed(
    operator: Operator,
) -> None:
    changed = operator.does("product", "set", "106", "--price", "288.00")
    [listed] = operator.does("product", "list")

    assert list(changed["functions"]) == list(listed["functions"]) == ["ferry", "gift", "tokens"]


def test_a_key_is_shown_once_and_whole(operator: Operator) -> None:
    shown = operator.shows("key", "create", "--operator", "--permission", "gate:redeem", "--expires", "90d")

    [key] = [word for word in shown.split() if word.startswith("pm_live_")]
    assert f"\nkey          {key}\n" in shown
    assert key not in operator.shows("key", "list")
    assert key.split("_")[2] in operator.shows("key", "list")

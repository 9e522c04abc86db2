"""What commands print for people: nothing is cut off, reordered or taken for markup, on 80 columns too."""

from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from support.postgres import empty_database
from support.terminal import COLUMNS, Operator

from premade.cli.output import show_rows

WIDE = "200"
LISTS = ["product", "partner", "key", "allotment"]
PARTNER = "Blue [bold]Travel[/bold] Holdings (Hong Kong)"


@pytest.fixture(scope="module")
def operator(dsn: str) -> Iterator[Operator]:
    """One with a product, a partner of an awkward name, a key and an allotment."""
    with empty_database(dsn) as own:
        operator = Operator(own)
        assert "0012_pre_generated_tickets.sql" in operator.shows("migrate")
        assert operator.shows("partner", "list") == "None.\n"
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


@pytest.mark.parametrize("name", ["W" * 200, "Blue " * 40, "\u0634" * 200, "\u65c5" * 200])
def test_a_long_name_folds_in_its_column_and_all_else_stays_whole(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    row = {"partner_id": 123456789012, "name": name.strip(), "channel": "harbour-cruises", "is_test": False}

    show_rows([row, {**row, "name": "Short"}], as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == list(row)
    assert lines[1].split()[0] == str(row["partner_id"])
    assert lines[1].split()[-2:] == ["harbour-cruises", "False"]
    assert lines[-1].split() == [str(row["partner_id"]), "Short", "harbour-cruises", "False"]
    assert max(cell_len(line) for line in lines) <= COLUMNS
    folded = [lines[1].split()[1:-2], *(line.split() for line in lines[2:-1])]
    shown = "".join(word for words in folded for word in words)
    assert shown.translate({0x2068: None, 0x2069: None}) == name.replace(" ", "")
    # Each line by itself: a terminal orders by lines.
    assert all(line.count("\u2068") == line.count("\u2069") == ("\u0634" in line) for line in lines)


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

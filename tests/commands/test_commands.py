"""The operator's commands, as processes of their own."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.postgres import empty_database
from support.terminal import Operator

from premade.postgres.zones import ZonesDiffer, require_same_zone


@pytest.fixture(scope="module")
def operator(dsn: str) -> Iterator[Operator]:
    with empty_database(dsn) as own:
        operator = Operator(own)
        assert "premade migrate" in operator.is_refused("product", "list")
        assert "0012_pre_generated_tickets.sql" in operator.does("migrate")["applied"]
        operator.does("product", "add", "--id", "301", *FERRY, "--entitles", "ferry=2")
        yield operator


FERRY = ["--name", "Island Ferry", "--type", "FERRY", "--price", "95.00", "--currency", "HKD"]


def test_a_product_is_added_changed_and_listed(operator: Operator) -> None:
    added = operator.does(
        "product", "add", "--id", "201", *FERRY, "--entitles", "ferry=2", "--entitles", "gift=1"
    )
    changed = operator.does("product", "set", "201", "--price", "99.5", "--entitles", "ferry=3")
    listed = {row["product_id"]: row for row in operator.does("product", "list")}

    assert (added["price"], added["functions"], added["code_prefix"]) == (
        "95.00",
        {"ferry": 2, "gift": 1},
        "CRUISE",
    )
    assert changed["functions"] == {"ferry": 3}
    assert (listed[201]["price"], listed[201]["functions"]) == ("99.50", {"ferry": 3})


def test_every_wrong_field_of_a_product_is_named(operator: Operator) -> None:
    told = operator.is_refused(
        "product", "add", "--id", "0", "--name", " ", "--type", "ferry", "--price", "-1.234",
        "--currency", "HKX", "--entitles", "ferry=0", "--prefix", "C",
    )  # fmt: skip

    for field in ("id", "name", "type", "price", "currency", "entitles", "prefix"):
        assert f"premade: {field}: Must" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["product", "add", "--id", "7", *FERRY, "--entitles", "ferry"], "ferry=2"),
        (
            [
                "product",
                "add",
                "--id",
                "7",
                *FERRY[:-4],
                "--price",
                "x",
                "--currency",
                "HKD",
                "--entitles",
                "a=1",
            ],
            "not an amount",
        ),
        (["product", "set", "404", "--price", "1"], "Product 404 does not exist"),
        (["partner", "disable", "Nobody"], "no partner named 'Nobody'"),
        (["partner", "add", "A", "--channel", "Not A Channel"], "channel: Must"),
        (["key", "create", "--permission", "tickets:read"], "--partner NAME or --operator"),
        (["key", "create", "--operator", "--permission", "tickets:all"], "Known permissions"),
        (["key", "create", "--operator", "--permission", "gate:redeem", "--expires", "soon"], "90d"),
        (["key", "create", "--operator", "--permission", "gate:redeem", "--expires", "2001-01-01"], "future"),
        (["key", "rotate", "999", "--overlap", "1h"], "no active key 999"),
        (["key", "rotate", "1", "--overlap", "long"], "24h"),
        (["key", "revoke", "999"], "no active key 999"),
        (
            ["allotment", "set", "--product", "404", "--channel", "ota", "--quantity", "1"],
            "Product 404 does not exist",
        ),
        (
            ["allotment", "set", "--product", "301", "--channel", "elsewhere", "--quantity", "1"],
            "Channel 'elsewhere' does not exist",
        ),
        (["allotment", "set", "--product", "301", "--channel", "ota", "--quantity", "-1"], "quantity: Must"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(operator: Operator, arguments: list[str], told: str) -> None:
    line, *more = operator.is_refused(*arguments).splitlines()

    assert told in line
    # What a database does not hold is said with the name of the database.
    assert all("Looked in " in each for each in more)
    assert len(more) <= 1


def test_a_partner_is_added_disabled_and_enabled(operator: Operator) -> None:
    added = operator.does("partner", "add", "Blue Travel")
    test_partner = operator.does("partner", "add", "Blue Travel Test", "--test")

    assert (added["channel"], added["is_test"], added["disabled_at"]) == ("ota", False, None)
    assert (test_partner["channel"], test_partner["is_test"]) == ("test-blue-travel-test", True)
    assert "already a partner" in operator.is_refused("partner", "add", "Blue Travel")
    assert "other kind" in operator.is_refused("partner", "add", "Mixed", "--test", "--channel", "ota")
    assert operator.does("partner", "disable", "Blue Travel")["disabled_at"].endswith("Z")
    assert operator.does("partner", "enable", "Blue Travel")["disabled_at"] is None
    assert {row["name"] for row in operator.does("partner", "list")} >= {"Blue Travel", "Blue Travel Test"}


def test_how_long_a_partner_may_hold_stock_is_set_and_listed(operator: Operator) -> None:
    unless_told = operator.does("partner", "add", "Holding")
    told = operator.does("partner", "add", "Holding Long", "--reservation-hours", "720")
    changed = operator.does("partner", "set", "Holding", "--reservation-hours", "48")
    listed = {row["name"]: row["reservation_hours_max"] for row in operator.does("partner", "list")}

    assert (unless_told["reservation_hours_max"], told["reservation_hours_max"]) == (168, 720)
    assert changed["reservation_hours_max"] == 48
    assert (listed["Holding"], listed["Holding Long"]) == (48, 720)
    for hours in ("0", "8761"):
        wrong = "premade: reservation-hours: Must be 1 to 8760"
        assert wrong in operator.is_refused("partner", "set", "Holding", "--reservation-hours", hours)
        assert wrong in operator.is_refused("partner", "add", "Another", "--reservation-hours", hours)
    assert "no partner named" in operator.is_refused("partner", "set", "Nobody", "--reservation-hours", "1")


def test_keys_are_created_listed_rotated_and_revoked(operator: Operator) -> None:
    operator.run("partner", "add", "Keyed")
    operator.run("partner", "add", "Keyed Test", "--test")
    made = operator.does(
        "key", "create", "--partner", "Keyed", "--permission", "tickets:read", "--permission", "orders:read"
    )
    tested = operator.does(
        "key", "create", "--partner", "Keyed Test", "--permission", "tickets:read", "--expires", "90d"
    )
    gate = operator.does("key", "create", "--operator", "--permission", "gate:redeem")
    rotated = operator.does("key", "rotate", str(made["id"]), "--overlap", "0s")
    revoked = operator.does("key", "revoke", str(gate["id"]))

    assert made["key"].startswith("pm_live_")
    assert isinstance(made["id"], int)
    assert tested["key"].startswith("pm_test_")
    assert tested["expires_at"].endswith("Z")
    assert rotated["permissions"] == ["orders:read", "tickets:read"]
    assert revoked["revoked_at"].endswith("Z")
    assert "was already rotated" in operator.is_refused("key", "rotate", str(made["id"]), "--overlap", "1h")
    listed = operator.run("key", "list").stdout
    for key in (made, tested, gate, rotated):
        assert key["key"].rpartition("_")[2] not in listed
    assert max(len(line) for line in listed.splitlines()) <= 80


def test_an_allotment_is_set_and_listed(operator: Operator) -> None:
    operator.does("allotment", "set", "--product", "301", "--channel", "ota", "--quantity", "500")
    [listed] = operator.does("allotment", "list")

    assert listed == {
        "product_id": 301,
        "channel": "ota",
        "is_test": False,
        "allotted": 500,
        "issued": 0,
        "held": 0,
        "available": 500,
    }


def test_settings_that_are_wrong_are_named(operator: Operator) -> None:
    assert "PREMADE_TIMEZONE" in operator.is_refused("product", "list", PREMADE_TIMEZONE="Hong Kong")
    assert "PREMADE_LOG_FORMAT" in operator.is_refused("product", "list", PREMADE_LOG_FORMAT="xml")


def test_a_database_url_that_is_none_is_told_without_its_password(operator: Operator) -> None:
    told = operator.is_refused("partner", "list", DATABASE_URL="postgresql//premade:hunter2@db/premade")

    assert "DATABASE_URL: is not a PostgreSQL connection string" in told
    assert "hunter2" not in told


def test_a_database_that_is_away_is_told_in_a_line(operator: Operator) -> None:
    away = Operator("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")

    assert "does not respond" in away.is_refused("product", "list")


def test_a_port_in_use_is_told_in_a_line(operator: Operator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        # Without the warning that the role of the tests has too many rights.
        level = {"PREMADE_LOG_LEVEL": "error"}
        assert "--port" in operator.is_refused("serve", "--port", port, "--metrics-port", "0", **level)
        assert "--metrics-port" in operator.is_refused(
            "serve", "--port", "0", "--metrics-port", port, **level
        )


def test_the_code_of_a_package_runs_where_the_source_tree_is_not(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "premade", "--help"], cwd=tmp_path, capture_output=True, text=True,
        check=True, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip

    assert "serve" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "PREMADE_TIMEZONE",
            "CET",
            "PREMADE_TIMEZONE: Programs read 'CET' in different ways. Use 'Europe/Brussels'",
        ),
        ("PREMADE_TIMEZONE", "EST5EDT", "Use 'America/New_York'"),
        ("PREMADE_TIMEZONE", "<+08>-8", "is not a time zone of the IANA database"),
        ("PREMADE_LOG_FORMAT", "xml", "PREMADE_LOG_FORMAT: Must be 'auto', 'json' or 'console'"),
        (
            "PREMADE_LOG_MASK_CUSTOMER_EMAIL",
            "perhaps",
            "PREMADE_LOG_MASK_CUSTOMER_EMAIL: Must be true or false",
        ),
        (
            "PREMADE_DATABASE_CONNECTIONS_PER_WORKER",
            "0",
            "PREMADE_DATABASE_CONNECTIONS_PER_WORKER: Must be 1 or more",
        ),
        (
            "PREMADE_DATABASE_CONNECTIONS_PER_WORKER",
            "many",
            "PREMADE_DATABASE_CONNECTIONS_PER_WORKER: Must be an integer",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_told_in_words_of_ours(
    operator: Operator, variable: str, value: str, said: str
) -> None:
    told = operator.is_refused("product", "list", **{variable: value})

    assert said in told
    assert not re.search("Input should|Value error|unable to", told)


def test_a_variable_that_is_no_setting_is_named_once_with_the_nearest(operator: Operator) -> None:
    done = operator.run(
        "product",
        "list",
        "--json",
        PREMADE_TIMZONE="Asia/Hong_Kong",
        PREMADE_DATABASE_URL="x",
        PREMADE_COLOUR="red",
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "premade: PREMADE_COLOUR is not a setting and has no effect",
        "premade: PREMADE_DATABASE_URL is not a setting and has no effect; did you mean DATABASE_URL?",
        "premade: PREMADE_TIMZONE is not a setting and has no effect; did you mean PREMADE_TIMEZONE?",
    ]


def test_zones_that_both_sides_read_alike_are_taken_and_others_are_not(dsn: str) -> None:
    for zone in (
        "UTC",
        "Asia/Hong_Kong",
        "Europe/London",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
    ):
        require_same_zone(dsn, ZoneInfo(zone))
    for zone in ("CET", "EET", "WET", "MET"):
        with pytest.raises(ZonesDiffer, match=f"read '{zone}' differently"):
            require_same_zone(dsn, ZoneInfo(zone))

"""The Postman collection: that newman runs it green, and that what it saw is what the tables hold."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support.service import Service
from support.shop import Seller, Shop

REPOSITORY = Path(__file__).parents[2]
COLLECTION = REPOSITORY / "postman" / "ota-premade-tickets.postman_collection.json"
REPORT = REPOSITORY / "reports" / "newman" / "ota-premade-tickets.xml"
NEWMAN = REPOSITORY / "node_modules" / ".bin" / "newman"
FOLDERS = ["Bulk generation", "Activation flow", "Error cases", "Permissions", "Database verification"]
SECONDS_MAX = 120
SECRET = re.compile(r"pm_(live|test)_|-----BEGIN|/(home|root|work|Users|tmp)/|[A-Z]:\\\\")
OUTSIDE = re.compile(r"https?://(?!127\.0\.0\.1:8080)[^\s\"]+")
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def newman(shop: Shop, seller: Seller, folder: Path) -> dict[str, dict[str, Any]]:
    """Runs the collection against the service, as the seller; it must succeed.

    Answers what the folder Database verification read: the JSON answers, by the request's name.
    """
    if not NEWMAN.exists():
        pytest.fail("newman is not installed: run 'npm ci' in the repository")
    read_only = shop.key(seller.name, ["tickets:read", "orders:read", "inventory:read"])["key"]
    values = {
        "baseUrl": shop.url,
        "apiKey": seller.key,
        "readOnlyKey": read_only,
        "productId": str(seller.product_id),
    }
    environment = {"name": "test", "values": [{"key": key, "value": value} for key, value in values.items()]}
    (folder / "environment.json").write_text(json.dumps(environment))
    done = subprocess.run(
        [
            *(NEWMAN, "run", COLLECTION, "--environment", folder / "environment.json", "--color", "off"),
            *("--reporters", "cli,junit,json", "--reporter-json-export", folder / "run.json"),
            *("--reporter-junit-export", REPORT),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    told = json.loads((folder / "run.json").read_text())
    names = {item["name"] for item in collection()["item"][FOLDERS.index("Database verification")]["item"]}
    return {
        execution["item"]["name"]: json.loads(bytes(execution["response"]["stream"]["data"]))
        for execution in told["run"]["executions"]
        if execution["item"]["name"] in names
    }


def collection() -> dict[str, Any]:
    return json.loads(COLLECTION.read_text())


def requests_of(folder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in folder["item"]:
        assert "request" in item, f"{item['name']} is a folder inside {folder['name']}"
        yield item


def test_newman_runs_the_collection_twice_and_the_tables_hold_what_it_saw(
    service: Service, shop: Shop, seller: Seller, tmp_path: Path
) -> None:
    REPORT.unlink(missing_ok=True)
    newman(shop, seller, tmp_path)
    read = newman(shop, seller, tmp_path)

    suites = list(ET.parse(REPORT).getroot().iter("testsuite"))
    assert {suite.attrib["name"].partition(" / ")[0] for suite in suites} == set(FOLDERS)
    assert len(suites) == sum(len(folder["item"]) for folder in collection()["item"])
    assert all(int(suite.attrib["tests"]) > 0 for suite in suites)
    assert sum(int(suite.attrib["failures"]) + int(suite.attrib["errors"]) for suite in suites) == 0
    assert seller.key not in REPORT.read_text()

    before, after = (
        read["The ticket is stored as PRE_GENERATED"],
        read["The ticket is stored as ACTIVE"],
    )
    told, unused = read["The order is stored"], read["The other ticket is untouched"]
    assert (before["status"], after["status"]) == ("PRE_GENERATED", "ACTIVE")
    [ticket] = shop.sql("SELECT * FROM pre_generated_tickets WHERE ticket_code = %s", after["ticket_code"])
    [order] = shop.sql("SELECT * FROM ota_orders WHERE order_id = %s", told["order_id"])
    [other] = shop.sql("SELECT * FROM pre_generated_tickets WHERE ticket_code = %s", unused["ticket_code"])
    assert ticket["partner_id"] == order["partner_id"] == other["partner_id"] == seller.partner_id
    assert (ticket["status"], ticket["order_id"]) == ("ACTIVE", told["order_id"])
    assert ticket["batch_id"] == other["batch_id"] == before["batch_id"]
    assert ticket["activated_at"] == order["created_at"]
    assert order["created_at"].isoformat(timespec="milliseconds") == told["created_at"].replace("Z", "+00:00")
    for column in (
        "status",
        "customer_name",
        "customer_email",
        "customer_phone",
        "payment_reference",
        "currency",
    ):
        assert order[column] == told[column]
    assert str(order["total_amount"]) == told["total_amount"] == str(ticket["price"])
    assert (other["status"], other["order_id"], other["activated_at"]) == ("PRE_GENERATED", None, None)

    [stock] = shop.sql("SELECT * FROM allotments WHERE channel = %s", seller.channel)
    [shown] = read["The stock is as after the generation"]["items"]
    made = shop.sql("SELECT count(*) FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id)
    assert shown["issued"] == stock["issued"] == made[0]["count"]


def test_the_collection_has_a_folder_for_each_kind_of_test() -> None:
    assert collection()["info"]["schema"] == FORMAT
    assert [folder["name"] for folder in collection()["item"]] == FOLDERS


def test_everything_in_the_collection_is_explained_and_every_request_tested() -> None:
    assert len(collection()["info"]["description"]) > 200
    assert all(variable["description"] for variable in collection()["variable"])
    for folder in collection()["item"]:
        assert len(folder["description"]) > 40, folder["name"]
        for item in requests_of(folder):
            assert len(item["request"]["description"]) > 20, item["name"]
            tests = [event for event in item["event"] if event["listen"] == "test"]
            assert "pm.test(" in "\n".join(tests[0]["script"]["exec"]), item["name"]


def test_no_name_is_given_twice_in_the_collection() -> None:
    names = [item["name"] for folder in collection()["item"] for item in requests_of(folder)]

    assert len(names) == len(set(names))


def test_the_collection_holds_no_secret_and_no_place() -> None:
    values = {variable["key"]: variable["value"] for variable in collection()["variable"]}

    assert (values["apiKey"], values["readOnlyKey"]) == ("", "")
    assert SECRET.search(COLLECTION.read_text()) is None
    assert set(OUTSIDE.findall(COLLECTION.read_text())) == {FORMAT}

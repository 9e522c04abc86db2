"""The Postman collection: that newman runs it green, and that what it saw is what the tables hold."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
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
FOLDERS = [
    "Bulk generation",
    "Activation flow",
    "Error cases",
    "Reading",
    "Reservations",
    "Draws and orders",
    "Cancelling",
    "Reissuing",
    "The gate",
    "Permissions",
    "Other partners",
    "Database verification",
]
OTHER_PARTNER_PERMISSIONS = [
    "tickets:activate",
    "tickets:read",
    "tickets:cancel",
    "orders:read",
    "inventory:reserve",
    "gate:redeem",
]
SECONDS_MAX = 300
SECRET = re.compile(r"pm_(live|test)_|-----BEGIN|/(home|root|work|Users|tmp)/|[A-Z]:\\\\")
OUTSIDE = re.compile(r"https?://(?!127\.0\.0\.1:8080)[^\s\"]+")
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


@dataclass(frozen=True)
class Run:
    """What the runs of the collection left behind, and the answers to the last one."""

    runs: int
    shop: Shop
    seller: Seller
    other: Seller
    keys: list[str]
    answers: dict[str, bytes]

    def answer(self, name: str) -> dict[str, Any]:
        """To the request of this name."""
        return json.loads(self.answers[name])

    def ticket(self, code: str) -> dict[str, Any]:
        """As the table has it."""
        [row] = self.shop.sql("SELECT * FROM pre_generated_tickets WHERE ticket_code = %s", code)
        assert row["partner_id"] == self.seller.partner_id
        return row

    def order(self, order_id: str) -> dict[str, Any]:
        """As the table has it."""
        [row] = self.shop.sql("SELECT * FROM ota_orders WHERE order_id = %s", order_id)
        assert row["partner_id"] == self.seller.partner_id
        return row

    def events(self, code: str) -> list[dict[str, Any]]:
        """The ticket's audit events, the oldest first."""
        return self.shop.sql("SELECT * FROM audit_events WHERE ticket_code = %s ORDER BY event_id", code)

    def in_each_run(self, expected: dict[Any, int]) -> dict[Any, int]:
        """Return the counts after all runs."""
        return {value: count * self.runs for value, count in expected.items()}

    def counted(self, table: str, value: str) -> dict[Any, int]:
        """How many of the partner's rows have each value, which is a column or an expression."""
        rows = self.shop.sql(
            f"SELECT {value} AS value, count(*) FROM {table} WHERE partner_id = %s GROUP BY 1",
            self.seller.partner_id,
        )
        return {row["value"]: row["count"] for row in rows}


@pytest.fixture(scope="module")
def run(
    dsn: str, service: Service, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Run:
    """Newman runs the collection for one partner, in `make test-all` twice; it must succeed each time."""
    REPORT.unlink(missing_ok=True)
    shop = Shop(dsn, service.url)
    seller, other = shop.seller(), shop.seller()
    values = {
        "apiKey": seller.key,
        "readOnlyKey": shop.key(seller.name, ["tickets:read", "orders:read", "inventory:read"]).key,
        "gateKey": shop.key(seller.name, ["gate:redeem", "gate:manual-entry"]).key,
        "otherPartnerKey": shop.key(other.name, OTHER_PARTNER_PERMISSIONS).key,
    }
    keys = list(values.values())
    values |= {"baseUrl": shop.url, "productId": str(seller.product_id)}
    folder = tmp_path_factory.mktemp("newman")
    answers = newman(values, folder)
    if pytestconfig.getoption("--quick"):
        return Run(1, shop, seller, other, keys, answers)
    return Run(2, shop, seller, other, keys, newman(values, folder))


def newman(values: dict[str, str], folder: Path) -> dict[str, bytes]:
    """Runs the collection once; it must succeed. The bodies of the answers, by the request's name."""
    if not NEWMAN.exists():
        pytest.fail("newman is not installed: run 'npm ci' in the repository")
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
    return {
        execution["item"]["name"]: bytes(execution["response"]["stream"]["data"])
        for execution in told["run"]["executions"]
    }


def collection() -> dict[str, Any]:
    return json.loads(COLLECTION.read_text())


def requests_of(folder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in folder["item"]:
        assert "request" in item, f"{item['name']} is a folder inside {folder['name']}"
        yield item


def test_newman_runs_every_request_and_tells_no_key(run: Run) -> None:
    suites = list(ET.parse(REPORT).getroot().iter("testsuite"))

    assert {suite.attrib["name"].partition(" / ")[0] for suite in suites} == set(FOLDERS)
    assert len(suites) == sum(len(folder["item"]) for folder in collection()["item"])
    assert all(int(suite.attrib["tests"]) > 0 for suite in suites)
    assert sum(int(suite.attrib["failures"]) + int(suite.attrib["errors"]) for suite in suites) == 0
    assert not [key for key in run.keys if key in REPORT.read_text()]


def test_the_tables_hold_the_sale_that_the_verification_read(run: Run) -> None:
    before, after = (
        run.answer("The ticket is stored as PRE_GENERATED"),
        run.answer("The ticket is stored as ACTIVE"),
    )
    told, unused = run.answer("The order is stored"), run.answer("The other ticket is untouched")
    assert (before["status"], after["status"]) == ("PRE_GENERATED", "ACTIVE")
    ticket, other = run.ticket(after["ticket_code"]), run.ticket(unused["ticket_code"])
    order = run.order(told["order_id"])
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


def test_every_ticket_order_and_hold_is_in_the_state_that_the_folders_left_it_in(run: Run) -> None:
    # By folder, in their order; what was refused made and changed nothing.
    unsold = 153 + 0 + 1 + 2 + 10 + 2 + 0 + 0 + 1 + 1 + 1 + 1
    active = 0 + 2 + 1 + 1 + 0 + 4 + 0 + 0 + 4 + 0 + 1 + 1
    used, cancelled = 1, 5 + 1 + 1
    tickets = unsold + active + used + cancelled

    assert run.counted("pre_generated_tickets", "status") == run.in_each_run(
        {"PRE_GENERATED": unsold, "ACTIVE": active, "USED": used, "CANCELLED": cancelled}
    )
    assert run.counted("pre_generated_tickets", "issue_number") == run.in_each_run(
        {1: tickets - 2, 2: 1, 3: 1}
    )
    assert run.counted("ota_orders", "status") == run.in_each_run(
        {"CONFIRMED": 8, "PARTLY_CANCELLED": 1, "CANCELLED": 2}
    )
    assert run.counted("reservations", "(end_reason, quantity, taken)::text") == run.in_each_run(
        {"(used_up,10,10)": 1, "(released,5,0)": 1, "(released,1,0)": 1}
    )


def test_the_allotment_counts_the_tickets_that_are_neither_cancelled_nor_held(run: Run) -> None:
    [stock] = run.shop.sql("SELECT * FROM allotments WHERE channel = %s", run.seller.channel)
    [shown] = run.answer("The stock is as after the generation")["items"]
    states = run.counted("pre_generated_tickets", "status")

    assert shown["issued"] == stock["issued"] == sum(states.values()) - states["CANCELLED"]
    assert shown["held"] == stock["held"] == 0
    assert shown["allotted"] == stock["allotted"]


def test_every_change_has_its_audit_event_and_nothing_else_has_one(run: Run) -> None:
    made = run.shop.sql(
        "SELECT event, count(*) FROM audit_events WHERE partner_id = %s AND actor LIKE 'key:%%' GROUP BY event",
        run.seller.partner_id,
    )

    assert {row["event"]: row["count"] for row in made} == run.in_each_run(
        {
            "batch.generated": 16,
            "ticket.activated": 19,
            "ticket.redeemed": 7,
            "ticket.redemption_conflict": 2,
            "ticket.cancelled": 7,
            "batch.cancellation_begun": 1,
            "batch.cancelled": 1,
            "batch.exported": 2,
            "ticket.reissued": 3,
            "reservation.made": 3,
            "reservation.released": 2,
        }
    )


def test_a_draw_and_an_order_are_one_order_each_and_its_tickets_are_linked_to_it(run: Run) -> None:
    for name in ("Draw 2 tickets from the batch", "Order 2 tickets by their codes"):
        told = run.answer(name)
        order, codes = run.order(told["order_id"]), {ticket["ticket_code"] for ticket in told["tickets"]}

        assert set(order["ticket_codes"]) == codes
        assert {run.ticket(code)["order_id"] for code in codes} == {told["order_id"]}
        assert str(order["total_amount"]) == told["total_amount"]
        assert order["total_amount"] == sum(run.ticket(code)["price"] for code in codes)
        assert order["idempotency_key"] is not None


def test_the_reservation_and_the_batches_from_it_know_each_other(run: Run) -> None:
    reservation_id = run.answer("The reservation is USED_UP")["reservation_id"]
    batches = run.shop.sql(
        "SELECT * FROM batches WHERE reservation_id = %s ORDER BY created_at", reservation_id
    )

    assert [batch["quantity"] for batch in batches] == [4, 6]
    assert [batch["batch_id"] for batch in batches] == [
        run.answer(name)["batch_id"]
        for name in ("Batch from the reservation", "Batch of the rest of the reservation")
    ]


def test_what_was_cancelled_keeps_its_order_and_says_why(run: Run) -> None:
    unsold, sold = run.answer("Cancel an unsold ticket"), run.answer("Cancel the other activated ticket")

    assert run.ticket(unsold["ticket_code"])["order_id"] is None
    assert run.ticket(sold["ticket_code"])["order_id"] == sold["order_id"]
    assert run.order(sold["order_id"])["status"] == "CANCELLED"
    for told in (unsold, sold):
        assert run.ticket(told["ticket_code"])["status"] == "CANCELLED"
        last = run.events(told["ticket_code"])[-1]
        assert (last["event"], last["data"]["reason"]) == ("ticket.cancelled", "The customer's plans changed")


def test_the_reissued_ticket_holds_the_last_qr(run: Run) -> None:
    told = run.answer("Reissue after the activation")
    ticket = run.ticket(told["ticket_code"])

    assert ticket["issue_number"] == told["issue_number"] == 3
    assert base64.b64decode(ticket["qr_code"]).decode() == told["qr_token"]
    assert ticket["qr_code"] != run.answer("Reissue before the activation")["qr_code"]


def test_the_gate_used_each_ticket_as_often_as_it_said(run: Run) -> None:
    scanned, typed = run.answer("Redeem"), run.answer("Manual entry")
    accepted, conflict = run.answer("Sync: offline scans")["results"]
    used = run.answer("The used ticket")
    entries = {"scan": scanned, "manual": typed, "offline": accepted}

    for entry, told in entries.items():
        [use] = [event for event in run.events(told["ticket_code"]) if event["event"] == "ticket.redeemed"]
        assert use["data"]["entry"] == entry
        assert run.ticket(told["ticket_code"])["entitlements"] == use["data"]["entitlements"]
    assert run.ticket(scanned["ticket_code"])["entitlements"] == scanned["entitlements"]
    assert run.ticket(used["ticket_code"])["status"] == "USED"
    assert {each["remaining_uses"] for each in run.ticket(used["ticket_code"])["entitlements"]} == {0}
    [kept] = [
        event["data"]
        for event in run.events(scanned["ticket_code"])
        if event["event"] == "ticket.redemption_conflict"
    ]
    assert (kept["code"], kept["scan_id"]) == ("USED_UP", conflict["this_scan"]["scan_id"])
    assert kept["other"] == conflict["other_scan"]


def test_another_partner_s_key_did_nothing_but_ask_at_the_gate(run: Run) -> None:
    query = "SELECT event, ticket_code FROM audit_events WHERE partner_id = %s AND actor LIKE 'key:%%'"
    done = run.shop.sql(query, run.other.partner_id)

    # Codes that nobody has are counted, not kept one by one.
    assert done == []
    counts = (
        "SELECT code, sum(counted)::integer AS counted FROM gate_counts WHERE partner_id = %s GROUP BY code"
    )
    assert run.shop.sql(counts, run.other.partner_id) == [{"code": "UNKNOWN", "counted": run.runs}]
    for table in ("pre_generated_tickets", "ota_orders", "reservations", "batches"):
        query = f"SELECT count(*) FROM {table} WHERE partner_id = %s"
        assert run.shop.sql(query, run.other.partner_id) == [{"count": 0}]


def test_every_operation_of_the_interface_is_in_the_collection(shop: Shop) -> None:
    document = shop.client().get("/openapi.json").json()
    sent = [
        (item["request"]["method"].lower(), "/" + "/".join(item["request"]["url"]["path"]))
        for folder in collection()["item"]
        for item in requests_of(folder)
    ]

    for path, operations in document["paths"].items():
        shape = re.compile(re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(path)))
        for method in operations:
            sent_here = [one for one, sent_path in sent if shape.fullmatch(sent_path)]
            assert method in sent_here, f"{method.upper()} {path}"
    assert ("get", "/.well-known/premade-keys.json") in sent


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

    assert {values[name] for name in ("apiKey", "readOnlyKey", "gateKey", "otherPartnerKey")} == {""}
    assert SECRET.search(COLLECTION.read_text()) is None
    assert set(OUTSIDE.findall(COLLECTION.read_text())) == {FORMAT}

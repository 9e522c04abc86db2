"""Everything that can happen to tickets, in any order, alone and many at once, against a small model.

Stock is conserved, no ticket has two orders, no entitlement falls below zero, every change has its audit event, a
repeated key repeats the answer whatever happened since, another partner reaches nothing, and nothing deadlocks.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.rows import DictRow, dict_row
from support.race import deadlocks
from support.shop import CUSTOMER, PARTNER_PERMISSIONS, Seller, Shop, unique

from premade.expiry.expire import expire_now
from premade.runtime.clock import Runtime

STOCK = 40
USES = {"ferry": 2, "gift": 1}
AT_ONCE_MAX = 10
EXAMPLES, STEPS = 75, 60
EXAMPLES_QUICK, STEPS_QUICK = 8, 30
SECONDS_MAX = 3_000
SALE = {"customer_details": CUSTOMER, "payment_reference": "PAY-1"}
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date()
WHEN_TOMORROW_IS_OVER = Runtime(ZoneInfo("UTC"), now=lambda: datetime.now(UTC) + timedelta(days=3))
SOLD = ("ACTIVE", "USED")

few = st.integers(1, 12)
which = st.integers(0, 1000)
"""Of those that there are: modulo their number."""
operations = st.one_of(
    st.tuples(st.just("generate"), few, st.booleans()),
    st.tuples(st.just("generate_from_hold"), few, which),
    st.tuples(st.just("reserve"), few),
    st.tuples(st.just("release"), which),
    st.tuples(st.just("lapse"), which),
    st.tuples(st.just("activate"), which),
    st.tuples(st.just("draw"), which, st.integers(1, 5)),
    st.tuples(st.just("order"), st.lists(which, min_size=1, max_size=4)),
    st.tuples(st.just("cancel"), which),
    st.tuples(st.just("cancel_batch"), which),
    st.tuples(st.just("reissue"), which),
    st.tuples(st.just("redeem"), which, st.sampled_from(sorted(USES)), st.integers(1, 2)),
    st.tuples(st.just("expire")),
)
TIME = ("lapse", "expire")
"""What nobody asks for: a day or a hold is over."""
OF_A_SHOP_WITHOUT_STOCK = ("generate", "reserve")
"""What another partner may ask for too: it is refused for its own stock."""


@dataclass
class Ticket:
    batch_id: str
    status: str
    issue_number: int
    uses: dict[str, int]
    token: str

    @property
    def is_touched(self) -> bool:
        return self.uses != USES


@dataclass
class Hold:
    quantity: int
    taken: int = 0
    end: str | None = None

    @property
    def held(self) -> int:
        return 0 if self.end else self.quantity - self.taken


@dataclass
class Model:
    """What should be there."""

    batches: dict[str, bool] = field(default_factory=dict[str, bool])
    """Whether its last day of sale is tomorrow; else it has none."""
    tickets: dict[str, Ticket] = field(default_factory=dict[str, Ticket])
    holds: dict[str, Hold] = field(default_factory=dict[str, Hold])

    @property
    def issued(self) -> int:
        return sum(ticket.status in ("PRE_GENERATED", *SOLD) for ticket in self.tickets.values())

    @property
    def held(self) -> int:
        return sum(hold.held for hold in self.holds.values())

    @property
    def available(self) -> int:
        return STOCK - self.issued - self.held

    def unused_of(self, batch_id: str) -> list[str]:
        return sorted(
            code
            for code, ticket in self.tickets.items()
            if ticket.batch_id == batch_id and ticket.status == "PRE_GENERATED"
        )


class Partner:
    """The operations, as requests. None: there is nothing yet that it could be about."""

    def __init__(self, http: httpx.Client, product_id: int, model: Model) -> None:
        self.http = http
        self.product_id = product_id
        self.model = model

    def request(self, asked: tuple[Any, ...]) -> httpx.Request | None:
        name, *arguments = asked
        return getattr(self, name)(*arguments)

    def _post(self, path: str, body: Any) -> httpx.Request:
        return self.http.build_request("POST", path, json=body, headers={"Idempotency-Key": unique("key")})

    def generate(self, quantity: int, is_near: bool, **more: Any) -> httpx.Request:  # noqa: FBT001
        body = {"product_id": self.product_id, "quantity": quantity, "batch_id": unique("LIFE"), **more}
        if is_near:
            body["valid_until"] = str(TOMORROW)
        return self._post("/api/ota/tickets/bulk-generate", body)

    def generate_from_hold(self, quantity: int, number: int) -> httpx.Request | None:
        hold = pick(self.model.holds, number)
        return self.generate(quantity, is_near=False, reservation_id=hold) if hold else None

    def reserve(self, quantity: int) -> httpx.Request:
        return self._post("/api/ota/reservations", {"product_id": self.product_id, "quantity": quantity})

    def release(self, number: int) -> httpx.Request | None:
        hold = pick(self.model.holds, number)
        key = {"Idempotency-Key": unique("key")}
        return (
            self.http.build_request("DELETE", f"/api/ota/reservations/{hold}", headers=key) if hold else None
        )

    def activate(self, number: int) -> httpx.Request | None:
        code = pick(self.model.tickets, number)
        return self._post(f"/api/ota/tickets/{code}/activate", SALE) if code else None

    def draw(self, number: int, quantity: int) -> httpx.Request | None:
        batch_id = pick(self.model.batches, number)
        return (
            self._post(f"/api/ota/batches/{batch_id}/activate", {**SALE, "quantity": quantity})
            if batch_id
            else None
        )

    def order(self, numbers: list[int]) -> httpx.Request | None:
        codes = [code for code in (pick(self.model.tickets, number) for number in numbers) if code]
        wanted = {**SALE, "ticket_codes": list(dict.fromkeys(codes))}
        return self._post("/api/ota/orders", wanted) if codes else None

    def cancel(self, number: int) -> httpx.Request | None:
        code = pick(self.model.tickets, number)
        return self._post(f"/api/ota/tickets/{code}/cancel", {"reason": "not wanted"}) if code else None

    def cancel_batch(self, number: int) -> httpx.Request | None:
        batch_id = pick(self.model.batches, number)
        return self._post(f"/api/ota/batches/{batch_id}/cancel", {"reason": "over"}) if batch_id else None

    def reissue(self, number: int) -> httpx.Request | None:
        code = pick(self.model.tickets, number)
        return self._post(f"/api/ota/tickets/{code}/reissue", {"reason": "lost"}) if code else None

    def redeem(self, number: int, function_code: str, uses: int) -> httpx.Request | None:
        code = pick(self.model.tickets, number)
        if code is None:
            return None
        body = {
            "qr": self.model.tickets[code].token,
            "function_code": function_code,
            "uses": uses,
            "device_id": "gate-1",
            "scan_id": unique("scan"),
        }
        return self.http.build_request("POST", "/api/gate/redemptions", json=body)


def as_told(answer: httpx.Response) -> dict[str, Any]:
    """But for the time that `lapse` moves."""
    return {name: value for name, value in answer.json().items() if name != "expires_at"}


def pick(of: dict[str, Any], number: int) -> str | None:
    return sorted(of)[number % len(of)] if of else None


PERMISSIONS = [*PARTNER_PERMISSIONS, "gate:redeem"]


class WholeLife(RuleBasedStateMachine):
    shop: Shop
    database: psycopg.Connection[DictRow]
    """Kept open: what must hold is asked after every step."""
    other: Seller

    def __init__(self) -> None:
        super().__init__()
        self.seller = self.shop.seller(stock=STOCK, permissions=PERMISSIONS, functions=USES)
        self.model = Model()
        self.partner = Partner(self.seller.http, self.seller.product_id, self.model)
        self.done: list[tuple[httpx.Request, httpx.Response]] = []
        """What succeeded, to be asked for again."""

    def teardown(self) -> None:
        for request, first in self.done:
            self.is_repeated(request, first)
        self.seller.http.close()

    # One operation, and the model knows what comes of it.

    @rule(asked=operations)
    def one(self, asked: tuple[Any, ...]) -> None:
        if asked[0] in TIME:
            getattr(self, asked[0])(*asked[1:])
            return
        request = self.partner.request(asked)
        if request is None:
            return
        expected = getattr(self, f"expect_{asked[0]}")(*asked[1:])
        answer = self.seller.http.send(request)
        assert answer.status_code == expected, (asked, answer.text)
        if answer.is_success:
            self.done.append((request, answer))
            self.learn(asked, answer.json())

    @rule(number=which)
    def again(self, number: int) -> None:
        """Whatever happened since, the answer is the first one, and nothing changes."""
        if self.done:
            self.is_repeated(*self.done[-1 - number % len(self.done)])

    def is_repeated(self, request: httpx.Request, first: httpx.Response) -> None:
        answer = self.seller.http.send(request)
        assert (answer.status_code, as_told(answer)) == (first.status_code, as_told(first)), request.url

    @rule(asked=operations)
    def another_partner(self, asked: tuple[Any, ...]) -> None:
        """It is told of none of it, and nothing changes."""
        request = None
        if asked[0] not in TIME:
            request = Partner(self.other.http, self.seller.product_id, self.model).request(asked)
        if request is not None:
            expected = 409 if asked[0] in OF_A_SHOP_WITHOUT_STOCK else 404
            answer = self.other.http.send(request)
            assert answer.status_code == expected, (asked, answer.text)

    def learn(self, asked: tuple[Any, ...], told: dict[str, Any]) -> None:
        getattr(self, f"learn_{asked[0]}")(told, *asked[1:])

    def expire(self) -> None:
        replace(self.shop, runtime=WHEN_TOMORROW_IS_OVER).operate(
            lambda database, runtime: expire_now(database, runtime, report=lambda _: None)
        )
        for batch_id, is_near in self.model.batches.items():
            for code in self.model.unused_of(batch_id) if is_near else []:
                self.model.tickets[code].status = "EXPIRED"

    def lapse(self, number: int) -> None:
        """The time of a hold is over. Nobody comes by to give back what it held."""
        reservation_id = pick(self.model.holds, number)
        if reservation_id is None:
            return
        self.shop.sql(
            "UPDATE reservations SET expires_at = greatest(clock_timestamp(), created_at + interval '1 microsecond')"
            " WHERE reservation_id = %s AND ended_at IS NULL",
            reservation_id,
        )
        hold = self.model.holds[reservation_id]
        hold.end = hold.end or "expired"

    def ticket(self, number: int) -> Ticket:
        code = pick(self.model.tickets, number)
        assert code is not None
        return self.model.tickets[code]

    def expect_generate(self, quantity: int, _is_near: bool) -> int:  # noqa: FBT001
        return 201 if quantity <= self.model.available else 409

    def expect_generate_from_hold(self, quantity: int, number: int) -> int:
        return 201 if quantity <= self.hold(number).held else 409

    def hold(self, number: int) -> Hold:
        reservation_id = pick(self.model.holds, number)
        assert reservation_id is not None
        return self.model.holds[reservation_id]

    def expect_reserve(self, quantity: int) -> int:
        return 201 if quantity <= self.model.available else 409

    def expect_release(self, number: int) -> int:
        return 200 if self.hold(number).end in (None, "released") else 409

    def expect_activate(self, number: int) -> int:
        return 200 if self.ticket(number).status == "PRE_GENERATED" else 409

    def expect_draw(self, number: int, quantity: int) -> int:
        batch_id = pick(self.model.batches, number)
        assert batch_id is not None
        return 200 if quantity <= len(self.model.unused_of(batch_id)) else 409

    def expect_order(self, numbers: list[int]) -> int:
        return 200 if all(self.ticket(number).status == "PRE_GENERATED" for number in numbers) else 409

    def expect_cancel(self, number: int) -> int:
        ticket = self.ticket(number)
        unused = ticket.status == "ACTIVE" and not ticket.is_touched
        return 200 if ticket.status == "PRE_GENERATED" or unused else 409

    def expect_cancel_batch(self, _number: int) -> int:
        return 200

    def expect_reissue(self, number: int) -> int:
        return 200 if self.ticket(number).status in ("PRE_GENERATED", "ACTIVE") else 409

    def expect_redeem(self, number: int, function_code: str, uses: int) -> int:
        ticket = self.ticket(number)
        return 200 if ticket.status == "ACTIVE" and uses <= ticket.uses[function_code] else 409

    def learn_generate(self, told: dict[str, Any], _quantity: int, is_near: bool) -> None:  # noqa: FBT001
        self.model.batches[told["batch_id"]] = is_near
        for ticket in told["tickets"]:
            self.model.tickets[ticket["ticket_code"]] = Ticket(
                told["batch_id"], "PRE_GENERATED", 1, dict(USES), ticket["qr_token"]
            )

    def learn_generate_from_hold(self, told: dict[str, Any], quantity: int, number: int) -> None:
        hold = self.hold(number)
        hold.taken += quantity
        hold.end = "used_up" if hold.taken == hold.quantity else None
        self.learn_generate(told, quantity, is_near=False)

    def learn_reserve(self, told: dict[str, Any], quantity: int) -> None:
        self.model.holds[told["reservation_id"]] = Hold(quantity)

    def learn_release(self, _told: dict[str, Any], number: int) -> None:
        self.hold(number).end = "released"

    def learn_activate(self, told: dict[str, Any], _number: int) -> None:
        self.model.tickets[told["ticket_code"]].status = "ACTIVE"

    def learn_draw(self, told: dict[str, Any], number: int, quantity: int) -> None:
        batch_id = pick(self.model.batches, number)
        assert batch_id is not None
        drawn = [ticket["ticket_code"] for ticket in told["tickets"]]
        assert drawn == self.model.unused_of(batch_id)[:quantity]
        for code in drawn:
            self.model.tickets[code].status = "ACTIVE"

    def learn_order(self, told: dict[str, Any], _numbers: list[int]) -> None:
        for ticket in told["tickets"]:
            self.model.tickets[ticket["ticket_code"]].status = "ACTIVE"

    def learn_cancel(self, _told: dict[str, Any], number: int) -> None:
        self.ticket(number).status = "CANCELLED"

    def learn_cancel_batch(self, told: dict[str, Any], number: int) -> None:
        batch_id = pick(self.model.batches, number)
        assert batch_id is not None
        unused = self.model.unused_of(batch_id)
        assert told["cancelled"] == len(unused)
        for code in unused:
            self.model.tickets[code].status = "CANCELLED"

    def learn_reissue(self, told: dict[str, Any], number: int) -> None:
        ticket = self.ticket(number)
        ticket.issue_number, ticket.token = ticket.issue_number + 1, told["qr_token"]
        assert told["issue_number"] == ticket.issue_number

    def learn_redeem(self, told: dict[str, Any], number: int, function_code: str, uses: int) -> None:
        ticket = self.ticket(number)
        ticket.uses[function_code] -= uses
        assert told["remaining"] == ticket.uses[function_code]
        if not any(ticket.uses.values()):
            ticket.status = "USED"

    # Many at once: who wins is open, so the model is read anew. What must hold, holds all the same.

    @rule(asked=st.lists(operations, min_size=2, max_size=AT_ONCE_MAX), is_twice=st.booleans())
    def many_at_once(self, asked: list[tuple[Any, ...]], is_twice: bool) -> None:  # noqa: FBT001
        """Each once, or each by two clients with the same key."""
        requests = [request for one in asked if one[0] not in TIME and (request := self.partner.request(one))]
        sent = requests * (1 + is_twice)
        with ThreadPoolExecutor(len(sent) + len(asked)) as threads:
            passing = [threads.submit(getattr(self, one[0]), *one[1:]) for one in asked if one[0] in TIME]
            answers = list(threads.map(self.seller.http.send, sent))
            for time in passing:
                time.result()
        assert {answer.status_code for answer in answers} <= {200, 201, 409}, [a.text for a in answers]
        told: dict[httpx.Request, httpx.Response] = {}
        for request, answer in zip(sent, answers, strict=True):
            if answer.is_success:
                assert as_told(answer) == as_told(told.setdefault(request, answer))
        self.done += told.items()
        self.read_anew(list(told.values()))

    def read_anew(self, answers: list[httpx.Response]) -> None:
        for answer in answers:
            told = answer.json()
            if answer.status_code == 201 and "tickets" in told:
                self.model.batches[told["batch_id"]] = told["valid_until"] is not None
        self.model.tickets.clear()
        for row in self.tickets():
            uses = {each["function_code"]: each["remaining_uses"] for each in row["entitlements"]}
            self.model.tickets[row["ticket_code"]] = Ticket(
                row["batch_id"], row["status"], row["issue_number"], uses, row["token"]
            )
        self.model.holds.clear()
        for row in self.ask("SELECT * FROM reservations WHERE partner_id = %s"):
            is_over = row["expires_at"] <= datetime.now(UTC)
            end = row["end_reason"] or ("expired" if is_over else None)
            self.model.holds[row["reservation_id"]] = Hold(row["quantity"], row["taken"], end)

    def ask(self, query: str) -> list[dict[str, Any]]:
        return self.database.execute(query.encode(), [self.seller.partner_id]).fetchall()

    def tickets(self) -> list[dict[str, Any]]:
        return self.ask(
            "SELECT *, convert_from(decode(qr_code, 'base64'), 'UTF8') AS token "
            "FROM pre_generated_tickets WHERE partner_id = %s"
        )

    # What must always hold.

    @invariant()
    def the_tickets_are_as_the_model_has_them(self) -> None:
        rows = {
            row["ticket_code"]: Ticket(
                row["batch_id"],
                row["status"],
                row["issue_number"],
                {each["function_code"]: each["remaining_uses"] for each in row["entitlements"]},
                row["token"],
            )
            for row in self.tickets()
        }
        assert rows == self.model.tickets
        assert all(left >= 0 for ticket in rows.values() for left in ticket.uses.values())

    @invariant()
    def stock_is_conserved(self) -> None:
        [allotment] = self.ask(
            "SELECT allotted, issued, held FROM allotments JOIN partners USING (channel) WHERE partner_id = %s"
        )
        [kept] = self.ask(
            "SELECT coalesce(sum(quantity - taken), 0)::int AS held FROM reservations"
            " WHERE partner_id = %s AND ended_at IS NULL"
        )
        assert allotment == {"allotted": STOCK, "issued": self.model.issued, "held": kept["held"]}
        [told] = self.seller.http.get("/api/ota/inventory").json()["items"]
        # What is over is held no longer, also while nobody has given it back.
        assert (told["held"], told["available"]) == (self.model.held, self.model.available)
        assert told["available"] == STOCK - told["issued"] - told["held"] >= 0
        [counted] = self.ask(
            "SELECT coalesce(sum(unused), 0)::int AS unused FROM ("
            " SELECT partner_id, unused FROM ticket_totals UNION ALL SELECT partner_id, unused_change FROM ticket_deltas"
            ") AS figures WHERE partner_id = %s"
        )
        unused = sum(ticket.status == "PRE_GENERATED" for ticket in self.model.tickets.values())
        assert counted["unused"] == unused

    @invariant()
    def a_sold_ticket_has_one_order_and_an_order_its_tickets(self) -> None:
        orders = {row["order_id"]: row for row in self.ask("SELECT * FROM ota_orders WHERE partner_id = %s")}
        order_of = {code: order_id for order_id, order in orders.items() for code in order["ticket_codes"]}
        assert len(order_of) == sum(len(order["ticket_codes"]) for order in orders.values())
        assert order_of == {row["ticket_code"]: row["order_id"] for row in self.tickets() if row["order_id"]}
        for order in orders.values():
            gone = [self.model.tickets[code].status == "CANCELLED" for code in order["ticket_codes"]]
            expected = "CANCELLED" if all(gone) else "PARTLY_CANCELLED" if any(gone) else "CONFIRMED"
            assert order["status"] == expected
            assert order["total_amount"] == 288 * len(gone)

    @invariant()
    def every_change_has_its_event(self) -> None:
        counted: dict[str, dict[str, int]] = {}
        uses: dict[str, int] = {}
        for row in self.ask("SELECT * FROM audit_events WHERE partner_id = %s AND ticket_code IS NOT NULL"):
            counts = counted.setdefault(row["event"], {})
            counts[row["ticket_code"]] = counts.get(row["ticket_code"], 0) + 1
            if row["event"] == "ticket.redeemed":
                uses[row["ticket_code"]] = uses.get(row["ticket_code"], 0) + row["data"]["uses"]
        expected: dict[str, dict[str, int]] = {}
        for row in self.tickets():
            code = row["ticket_code"]
            if row["order_id"]:
                expected.setdefault("ticket.activated", {})[code] = 1
            if row["status"] in ("CANCELLED", "EXPIRED"):
                expected.setdefault(f"ticket.{row['status'].lower()}", {})[code] = 1
            if row["issue_number"] > 1:
                expected.setdefault("ticket.reissued", {})[code] = row["issue_number"] - 1
        counted.pop("ticket.redeemed", None)
        assert counted == expected
        gone = {
            code: sum(USES.values()) - sum(ticket.uses.values())
            for code, ticket in self.model.tickets.items()
            if ticket.is_touched
        }
        assert uses == gone
        batches = self.ask("SELECT * FROM audit_events WHERE partner_id = %s AND event = 'batch.generated'")
        assert {row["batch_id"] for row in batches} == set(self.model.batches)


@pytest.mark.timeout(SECONDS_MAX)
def test_whatever_happens_in_whatever_order_the_rules_hold(shop: Shop, pytestconfig: pytest.Config) -> None:
    examples, steps = (
        (EXAMPLES_QUICK, STEPS_QUICK) if pytestconfig.getoption("--quick") else (EXAMPLES, STEPS)
    )
    other = shop.seller(permissions=PERMISSIONS)
    before = deadlocks(shop)
    with psycopg.Connection[DictRow].connect(shop.dsn, autocommit=True, row_factory=dict_row) as database:
        machine = type("WholeLife", (WholeLife,), {"shop": shop, "database": database, "other": other})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                # What many did at once does not come again in the same way, so there is nothing to shrink.
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
    assert deadlocks(shop) == before

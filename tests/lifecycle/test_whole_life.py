"""Everything that can happen to tickets, in any order, alone and many at once, against a small model.

Stock is conserved, no ticket has two orders, no entitlement falls below zero, every change has its audit event, a
repeated key repeats the answer, and nothing waits for another for ever.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support.shop import CUSTOMER, PARTNER_PERMISSIONS, Seller, Shop, unique

from premade.base.world import World
from premade.expiry.expire import expire_now

STOCK = 40
USES = {"ferry": 2, "gift": 1}
AT_ONCE_MAX = 10
SALE = {"customer_details": CUSTOMER, "payment_reference": "PAY-1"}
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date()
WHEN_TOMORROW_IS_OVER = World(ZoneInfo("UTC"), now=lambda: datetime.now(UTC) + timedelta(days=3))
SOLD = ("ACTIVE", "USED")

few = st.integers(1, 12)
which = st.integers(0, 1000)
"""Of those that there are: modulo their number."""
operations = st.one_of(
    st.tuples(st.just("generate"), few, st.booleans()),
    st.tuples(st.just("generate_from_hold"), few, which),
    st.tuples(st.just("reserve"), few),
    st.tuples(st.just("release"), which),
    st.tuples(st.just("activate"), which),
    st.tuples(st.just("draw"), which, st.integers(1, 5)),
    st.tuples(st.just("order"), st.lists(which, min_size=1, max_size=4)),
    st.tuples(st.just("cancel"), which),
    st.tuples(st.just("cancel_batch"), which),
    st.tuples(st.just("reissue"), which),
    st.tuples(st.just("redeem"), which, st.sampled_from(sorted(USES)), st.integers(1, 2)),
    st.tuples(st.just("expire")),
)


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
    taken: int
    is_live: bool = True

    @property
    def held(self) -> int:
        return self.quantity - self.taken if self.is_live else 0


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

    def __init__(self, seller: Seller, model: Model) -> None:
        self.http = seller.http
        self.product_id = seller.product_id
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
        return self.http.build_request("DELETE", f"/api/ota/reservations/{hold}") if hold else None

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


def pick(of: dict[str, Any], number: int) -> str | None:
    return sorted(of)[number % len(of)] if of else None


class WholeLife(RuleBasedStateMachine):
    shop: Shop

    def __init__(self) -> None:
        super().__init__()
        permissions = [*PARTNER_PERMISSIONS, "gate:redeem"]
        self.seller = self.shop.seller(stock=STOCK, permissions=permissions, functions=USES)
        self.model = Model()
        self.partner = Partner(self.seller, self.model)

    def teardown(self) -> None:
        self.seller.http.close()

    # One operation, and the model knows what comes of it.

    @rule(asked=operations)
    def one(self, asked: tuple[Any, ...]) -> None:
        if asked == ("expire",):
            self.expire()
            return
        request = self.partner.request(asked)
        if request is None:
            return
        expected = getattr(self, f"expect_{asked[0]}")(*asked[1:])
        answer = self.seller.http.send(request)
        assert (answer.status_code, answer.is_success) == (expected, expected < 300), (asked, answer.text)
        if answer.is_success:
            self.is_repeated(request, answer)
            self.learn(asked, answer.json())

    def is_repeated(self, request: httpx.Request, answer: httpx.Response) -> None:
        again = self.seller.http.send(request)
        assert (again.status_code, again.json()) == (answer.status_code, answer.json())

    def learn(self, asked: tuple[Any, ...], told: dict[str, Any]) -> None:
        getattr(self, f"learn_{asked[0]}")(told, *asked[1:])

    def expire(self) -> None:
        self.shop.operate(
            lambda database, _: expire_now(database, WHEN_TOMORROW_IS_OVER, tell=lambda _: None)
        )
        for batch_id, is_near in self.model.batches.items():
            for code in self.model.unused_of(batch_id) if is_near else []:
                self.model.tickets[code].status = "EXPIRED"

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
        hold = self.hold(number)
        return 409 if hold.taken == hold.quantity else 200

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
        self.hold(number).taken += quantity
        self.learn_generate(told, quantity, is_near=False)

    def learn_reserve(self, told: dict[str, Any], quantity: int) -> None:
        self.model.holds[told["reservation_id"]] = Hold(quantity, 0)

    def learn_release(self, _told: dict[str, Any], number: int) -> None:
        self.hold(number).is_live = False

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

    @rule(asked=st.lists(operations, min_size=2, max_size=AT_ONCE_MAX))
    def many_at_once(self, asked: list[tuple[Any, ...]]) -> None:
        requests = [request for one in asked if one != ("expire",) and (request := self.partner.request(one))]
        with ThreadPoolExecutor(AT_ONCE_MAX + 1) as threads:
            expiring = threads.submit(self.expire) if ("expire",) in asked else None
            answers = list(threads.map(self.seller.http.send, requests))
            if expiring:
                expiring.result()
        assert {answer.status_code for answer in answers} <= {200, 201, 409}, [a.text for a in answers]
        self.read_anew(answers)

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
            self.model.holds[row["reservation_id"]] = Hold(
                row["quantity"], row["taken"], is_live=row["ended_at"] is None
            )

    def ask(self, query: str) -> list[dict[str, Any]]:
        return self.shop.sql(query, self.seller.partner_id)

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
        [allotment] = self.shop.sql(
            "SELECT allotted, issued, held FROM allotments WHERE channel = %s", self.seller.channel
        )
        assert allotment == {"allotted": STOCK, "issued": self.model.issued, "held": self.model.held}
        [told] = self.seller.http.get("/api/ota/inventory").json()["items"]
        assert told["available"] == self.model.available >= 0
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


def test_whatever_happens_in_whatever_order_the_rules_hold(shop: Shop) -> None:
    machine = type("WholeLife", (WholeLife,), {"shop": shop})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )

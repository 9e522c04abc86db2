"""Rules about gates: what uploads of offline scans did, and what devices know by their snapshots."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torture.journal import Exchange
from torture.knowledge import Device, Knowledge, Listed
from torture.rules import Discrepancy
from torture.tables import EventRow, Keyed, Tables

_REDEEMED = "ticket.redeemed"
_NAMED_MAX = 5


def upload_discrepancies(
    uploads: Iterable[Exchange], rows: Mapping[str, Sequence[Keyed]]
) -> Iterator[Discrepancy]:
    """Compare each result of an upload with the event of its scan."""
    for exchange in uploads:
        events = [row for row in rows.get(exchange.request.key, []) if isinstance(row, EventRow)]
        times = Counter(event.data["scan_id"] for event in events)
        for scan_id, count in times.items():
            if count > 1:
                yield Discrepancy("a request is executed once", f"scan {scan_id} left {count} events")
        if exchange.success is not None and exchange.success.body is not None:
            redeemed = {event.data["scan_id"]: event for event in events if event.event == _REDEEMED}
            for result in exchange.success.body["results"]:
                yield from _of_scan(result, redeemed.get(result["scan_id"]))
        elif exchange.decisive is not None and events:
            yield Discrepancy("a refused request changes nothing", f"{exchange.request}: {events}")


def _of_scan(result: dict[str, Any], event: EventRow | None) -> Iterator[Discrepancy]:
    if result["outcome"] == "conflict":
        if event is not None:
            yield Discrepancy("a refused request changes nothing", f"{result}: {event}")
        return
    if event is None:
        yield Discrepancy("an answered change is in the tables", f"{result} has no event")
        return
    left = {each["function_code"]: each["remaining_uses"] for each in event.data["entitlements"]}
    stored = event.ticket_code, event.data["status"], left[event.data["function_code"]]
    if stored != (result["ticket_code"], result["status"], result["remaining"]):
        yield Discrepancy("the tables have the values answered", f"{result}: {event}")


def device_discrepancies(knowns: Iterable[Knowledge], tables: Tables) -> Iterator[Discrepancy]:
    """Compare what devices know after their last snapshots with the tables. No request may be pending."""
    for known in knowns:
        active: dict[str, Listed] = {
            ticket.ticket_code: (
                ticket.issue_number,
                {each["function_code"]: each["remaining_uses"] for each in ticket.entitlements},
            )
            for ticket in tables.tickets
            if ticket.partner_id == known.partner_id and ticket.status == "ACTIVE"
        }
        for device in known.devices:
            yield from _of_device(device, active)


def _of_device(device: Device, active: dict[str, Listed]) -> Iterator[Discrepancy]:
    wrong = [
        code for code in device.tickets.keys() | active.keys() if device.tickets.get(code) != active.get(code)
    ]
    for code in wrong[:_NAMED_MAX]:
        yield Discrepancy(
            "devices know what the tables have",
            f"{device.name} knows of {code} {device.tickets.get(code)}, the table has {active.get(code)}"
            f" ({len(wrong)} tickets differ)",
        )

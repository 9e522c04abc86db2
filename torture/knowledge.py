"""What the clients of a partner know from their responses, and so what they can send next."""

import random
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

STALE_SHARE = 0.1
"""Share of requests about a ticket in any state. Most of them are refused; two clients may also want the same ticket."""
NEWEST = 1000
"""Clients choose among so many tickets or reservations: older ones become rare, and a list of all would be long."""
DEVICES = 2
Listed = tuple[int, dict[str, int]]
"""Issue number and remaining uses of a ticket, as a device knows them."""


@dataclass
class Device:
    """A scanner that follows the tickets with snapshots."""

    name: str
    tickets: dict[str, Listed] = field(default_factory=dict[str, Listed])
    since: str | None = None
    """Cursor of the next snapshot."""

    def apply(self, since: str | None, snapshot: dict[str, Any], lines: list[dict[str, Any]]) -> None:
        """Apply a snapshot, unless the device has got another one since it asked for this one."""
        if since is not None and since != self.since:
            return
        if snapshot["snapshot"] == "full":
            self.tickets = {}
        for line in lines:
            if "gone" in line:
                self.tickets.pop(line["ticket_code"], None)
            else:
                self.tickets[line["ticket_code"]] = line["issue_number"], line["uses"]
        self.since = snapshot["next"]


@dataclass
class Knowledge:
    """Of one partner, shared by its clients."""

    partner_id: int
    product_id: int
    functions: dict[str, int]
    """Uses by function of each ticket of the product."""
    unused: dict[str, str] = field(default_factory=dict[str, str])
    """QR tokens by ticket code."""
    active: dict[str, str] = field(default_factory=dict[str, str])
    gone: dict[str, str] = field(default_factory=dict[str, str])
    """Cancelled or used."""
    batches: list[str] = field(default_factory=list[str])
    reservations: dict[str, int] = field(default_factory=dict[str, int])
    """Quantities that are still held, by reservation id."""
    devices: list[Device] = field(
        default_factory=lambda: [Device(f"SCANNER-{number}") for number in range(1, DEVICES + 1)]
    )

    def add_batch(self, batch_id: str, tokens: dict[str, str]) -> None:
        """Note a generated batch."""
        self.batches.append(batch_id)
        self.unused.update(tokens)

    def note_sale(self, codes: list[str]) -> None:
        """Note that tickets were activated."""
        for code in codes:
            if token := self.unused.pop(code, None):
                self.active[code] = token

    def note_end(self, code: str) -> None:
        """Note that a ticket is cancelled or used up."""
        token = self.unused.pop(code, None) or self.active.pop(code, None)
        if token is not None:
            self.gone[code] = token

    def note_reissue(self, code: str, token: str) -> None:
        """Note a ticket's new QR token."""
        for tickets in (self.unused, self.active, self.gone):
            if code in tickets:
                tickets[code] = token

    def pick(self, tickets: dict[str, Any], choice: random.Random) -> str | None:
        """Return the code of one of these tickets; now and then that of any ticket."""
        if choice.random() < STALE_SHARE:
            tickets = choice.choice([self.unused, self.active, self.gone])
        return one_of_newest(tickets, choice)

    def any_batch(self, choice: random.Random) -> str | None:
        """Return the id of one of the batches."""
        return choice.choice(self.batches) if self.batches else None

    def token(self, code: str) -> str:
        """Return the newest token of a ticket that this client knows; a forged one for a ticket that it does not know."""
        return self.unused.get(code) or self.active.get(code) or self.gone.get(code) or f"PM1:{code}:1:K1:"


def one_of_newest(things: dict[str, Any], choice: random.Random) -> str | None:
    """Return the key of one of the newest things, or None if there is none."""
    if not things:
        return None
    return next(islice(reversed(things), choice.randrange(min(len(things), NEWEST)), None))

"""What the clients of a partner know from their responses, and so what they can send next."""

import random
from dataclasses import dataclass, field

STALE_SHARE = 0.1
"""Share of requests about a ticket in any state. Most of them are refused; two clients may also want the same ticket."""


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

    def pick(self, tickets: dict[str, str], choice: random.Random) -> str | None:
        """Return the code of one of these tickets; now and then that of any ticket."""
        if choice.random() < STALE_SHARE:
            tickets = choice.choice([self.unused, self.active, self.gone])
        # The newest first: older ones become rare, and a list of all keys would be long.
        return choice.choice(list(tickets)[-1000:]) if tickets else None

    def token(self, code: str) -> str:
        """Return the newest token of a ticket that this client knows."""
        return self.unused.get(code) or self.active.get(code) or self.gone[code]

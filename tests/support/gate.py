"""A gate: a device with a key, and what it knows by its snapshots."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from premade.partners.keys import create_key
from support.shop import Shop

SNAPSHOT = "/api/gate/snapshot"


def gate_client(shop: Shop, partner: str | None) -> httpx.Client:
    """With a gate key of the partner; of the operator for None."""
    made = shop.operate(
        lambda database, runtime: create_key(database, runtime, partner=partner, permissions=["gate:redeem"])
    )
    return shop.client(made.key)


@dataclass
class Device:
    """Fetches snapshots and follows them, as docs/qr-token.md tells a scanner to."""

    http: httpx.Client
    tickets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    since: str | None = None
    kinds: list[str] = field(default_factory=list[str])

    def sync(self) -> list[dict[str, Any]]:
        """Fetches and applies one snapshot; answers its lines between the first and the last."""
        answer = self.http.get(SNAPSHOT, params={} if self.since is None else {"since": self.since})
        assert answer.status_code == httpx.codes.OK, answer.text
        return self.apply([json.loads(line) for line in answer.text.splitlines()])

    def apply(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first, *told, last = lines
        assert last["tickets"] == len(told)
        self.kinds.append(first["snapshot"])
        if first["snapshot"] == "full":
            self.tickets = {}
        for line in told:
            if "gone" in line:
                self.tickets.pop(line["ticket_code"], None)
            else:
                self.tickets[line["ticket_code"]] = line
        self.since = last["next"]
        return told

"""A running service in a network of its own: commands of premade beside it, requests to it, a shop, many clients."""

import json
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tries.steps import TryFailed, run

URL = "http://127.0.0.1:8080"
CLIENTS = Path(__file__).with_name("clients.py")
KEY = re.compile(r"pm_live_\w+")
SALE = {"name": "John Smith", "email": "john.smith@example.com", "phone": "+1234567890"}


class Place:
    """Where a service runs: the file of its network namespace, and the command that runs `premade` there."""

    def __init__(self, network: Path, command: tuple[str, ...]) -> None:
        self.network = network
        self.command = command

    def premade(self, *arguments: str) -> str:
        """Run a command of premade, and return its output."""
        return run(*self.command, *arguments)

    def get(self, path: str, *options: str) -> str:
        """Return the body of a response. `options` of curl make another request than GET.

        Raises:
            TryFailed: the status is 400 or higher.
        """
        return run(
            *self._in_network("curl", "--silent", "--show-error", "--fail-with-body"), *options, URL + path
        )

    def is_ready(self) -> bool:
        """Return whether /readyz answers 200."""
        try:
            return '"ready"' in self.get("/readyz")
        except TryFailed:
            return False

    def open_shop(self) -> str:
        """Add a product, stock and a partner while the service runs. Return the partner's API key."""
        self.premade("product", "add", "--id", "201", "--name", "Island Ferry", "--type", "FERRY",
                     "--price", "95.00", "--currency", "HKD", "--entitles", "ferry=2")  # fmt: skip
        self.premade("allotment", "set", "--product", "201", "--channel", "ota", "--quantity", "500")
        self.premade("partner", "add", "Blue Travel")
        permissions = ["--permission", "tickets:bulk-generate", "--permission", "tickets:activate"]
        key = KEY.search(self.premade("key", "create", "--partner", "Blue Travel", *permissions))
        if key is None:
            raise TryFailed("no API key was printed")
        return key[0]

    def sell(self, key: str, batch_id: str) -> None:
        """Generate two tickets and activate one.

        Raises:
            TryFailed: a request was refused.
        """
        headers = ["--header", f"X-API-Key: {key}", "--header", "Content-Type: application/json"]
        batch = {"product_id": 201, "quantity": 2, "batch_id": batch_id}
        response = json.loads(
            self.get("/api/ota/tickets/bulk-generate", *headers, "--data", json.dumps(batch))
        )
        code = response["tickets"][0]["ticket_code"]
        sale = json.dumps({"customer_details": SALE, "payment_reference": batch_id})
        activation = json.loads(self.get(f"/api/ota/tickets/{code}/activate", *headers, "--data", sale))
        if activation["status"] != "ACTIVE":
            raise TryFailed(f"the ticket is not sold: {activation}")

    @contextmanager
    def clients(self) -> Generator[dict[str, int]]:
        """Send requests meanwhile. After the end, the yielded dict has the number of each result."""
        results: dict[str, int] = {}
        command = self._in_network(sys.executable, str(CLIENTS), f"{URL}/healthz")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield results
            results.update(json.loads(process.communicate()[0]))

    def _in_network(self, *command: str) -> list[str]:
        return ["nsenter", f"--net={self.network}", *command]

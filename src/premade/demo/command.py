"""`premade demo`: products, a partner, a batch and a sale, on a service that then keeps running.

The demo also adds an admin of the console, and a test partner with 90 days of history.
"""

import asyncio
import base64
import json
import os
import signal
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import typer
from rich.console import Console
from rich.text import Text

from premade.bootstrap import DemoNotHere, embedded_or_named, ready_database
from premade.catalog.names import name_function
from premade.catalog.product import Product, add_product, list_products
from premade.demo import command_sql as sql
from premade.demo.history import PARTNER as HISTORY_PARTNER
from premade.demo.history import SalesLine, make_history
from premade.partners.keyring import Keyring
from premade.partners.keys import create_key
from premade.partners.partner import PartnerNameTaken, add_partner, partner_named
from premade.postgres.database import Database, open_database
from premade.runtime.clock import Runtime
from premade.runtime.errors import DomainError
from premade.runtime.logging import log_warnings_only
from premade.runtime.settings import Settings
from premade.runtime.terminal import can_show
from premade.serve import Listen, exit_on_signals, require_free_ports, serve_on
from premade.staff.member import StaffNameTaken, add_staff, has_password, set_password
from premade.staff.role import Role
from premade.stock.allotment import list_allotments, set_allotment
from premade.tickets import picture

PARTNER = "Demo OTA"
CHANNEL = "ota"
PERMISSIONS = [
    "tickets:bulk-generate",
    "tickets:activate",
    "tickets:read",
    "tickets:cancel",
    "inventory:read",
    "inventory:reserve",
    "orders:read",
    "gate:redeem",
]
KEY_FILE = "demo.json"
BATCH_ID = "DEMO-BATCH-001"
BATCH_QUANTITY = 5
HTTP_TIMEOUT_SECONDS = 30
_SHOWN_CHARACTERS = 44
QR_BLOCKS = "█▀▄"


def _harbour_cruise(product_id: int, grade: str, price: str, functions: dict[str, int]) -> Product:
    return Product(
        product_id,
        f"Harbour Cruise {grade}",
        "FERRY",
        Decimal(price),
        "HKD",
        functions,
        names={"zh-Hant": f"維港遊 {grade}", "zh-Hans": f"维港游 {grade}"},
    )


CATALOGUE = [
    (_harbour_cruise(106, "Premium", "288.00", {"ferry": 2, "gift": 1, "tokens": 10}), 2000),
    (_harbour_cruise(107, "Standard", "188.00", {"ferry": 2, "gift": 1}), 1500),
    (_harbour_cruise(108, "Deluxe", "788.00", {"ferry": 2, "tea_set": 1, "tokens": 20}), 1500),
]
"""Products and the allotment of each on the channel."""
FUNCTION_NAMES = {
    "ferry": {"en": "Ferry", "zh-Hant": "渡輪", "zh-Hans": "渡轮"},
    "gift": {"en": "Gift", "zh-Hant": "禮品", "zh-Hans": "礼品"},
    "tea_set": {"en": "Tea set", "zh-Hant": "茶點套餐", "zh-Hans": "茶点套餐"},
    "tokens": {"en": "Tokens", "zh-Hant": "代幣", "zh-Hans": "代币"},
}
HISTORY = {106: (30, 21.0), 107: (18, 2.5), 108: (7, 45.0)}
"""Sales of the test partner by product: average per day, and the days that its stock lasts."""
ADMIN = "demo"
PASSWORD_BYTES = 10


@dataclass(frozen=True)
class _Credentials:
    """The demo's credentials, kept for the next run. `test_key` is of the test partner. `password` is None if somebody changed it."""

    key: str
    test_key: str
    password: str | None
    history_partner_id: int


def run_demo(settings: Settings, port: int, *, history_days: int, is_sure: bool) -> None:
    """Fill an empty database, start the service, sell one ticket over HTTP, and go on serving.

    `history_days`: maximum number of days of invented sales, 1 to DAYS. `is_sure`: run even if the database has data of
    others. Raises DemoNotHere or CannotServe before it writes anything.
    """
    exit_on_signals()
    runtime = Runtime(settings.zone)
    log_warnings_only()
    require_free_ports(Listen(port=port))
    typer.echo(f"Starting premade on {settings.database_place} …")
    with embedded_or_named(settings) as dsn:
        if not is_sure:
            asyncio.run(_require_no_others(dsn, settings))
        _run_on(settings, runtime, port, history_days)


async def _require_no_others(dsn: str, settings: Settings) -> None:
    """Raise DemoNotHere if the database has partners or staff other than the demo's."""
    async with open_database(dsn, connections_max=1) as database, database.single_statement() as tx:
        if not await tx.fetch_one(sql.is_migrated):
            return
        counts = await tx.fetch_one(
            sql.count_others, own_partners=[PARTNER, HISTORY_PARTNER], own_staff=[ADMIN]
        )
        assert counts is not None
    others = {"partners": counts.partners, "members of the staff": counts.staff}
    if any(others.values()):
        counted = " and ".join(f"{count} other {what}" for what, count in others.items() if count)
        raise DemoNotHere("others_data", place=settings.database_place, counted=counted)


def _run_on(settings: Settings, runtime: Runtime, port: int, history_days: int) -> None:
    with ready_database(settings, runtime) as dsn:
        key_file = settings.data_dir / KEY_FILE
        credentials = asyncio.run(_set_up(dsn, runtime, key_file, history_days))
        serve_on(
            dsn,
            settings,
            Listen(port=port),
            lambda url, metrics_url: _tell_story(url, metrics_url, credentials),
        )


async def _set_up(dsn: str, runtime: Runtime, key_file: Path, history_days: int) -> _Credentials:
    """Add the missing data of the demo. Return the stored credentials that still work, and new ones for the others."""
    before = _stored(key_file)
    async with open_database(dsn, connections_max=2) as database:
        product_ids = {product.product_id for product in await list_products(database)}
        allotments = await list_allotments(database, runtime)
        stocked = {row.product_id for row in allotments if row.channel == CHANNEL}
        for product, quantity in CATALOGUE:
            if product.product_id not in product_ids:
                await add_product(database, runtime, product)
            if product.product_id not in stocked:
                await set_allotment(database, runtime, product.product_id, CHANNEL, quantity)
        if not product_ids:
            for function_code, names in FUNCTION_NAMES.items():
                await name_function(database, runtime, function_code, names)
        with suppress(PartnerNameTaken):
            await add_partner(database, runtime, PARTNER, channel=CHANNEL)
        key = await _key_of(database, runtime, PARTNER, before.get("key"))
        password = before.get("password") or _new_password(runtime)
        is_current = await _make_admin(database, runtime, password, is_new="password" not in before)
        after = {**before, "partner": PARTNER, "key": key, "admin": ADMIN, "password": password}
        if before != after:
            _store(key_file, after)
        products = {product.product_id: product for product in await list_products(database)}
        lines = [SalesLine(products[product_id], *line) for product_id, line in HISTORY.items()]
        await make_history(
            database,
            runtime,
            lines,
            lambda days: typer.echo(
                f"Inventing {days} days of sales of the test partner {HISTORY_PARTNER} …"
            ),
            history_days,
        )
        async with database.single_statement() as tx:
            history_partner = await partner_named(tx, HISTORY_PARTNER)
        test_key = await _key_of(database, runtime, HISTORY_PARTNER, before.get("test_key"))
        if after.get("test_key") != test_key:
            _store(key_file, {**after, "test_key": test_key})
        return _Credentials(key, test_key, password if is_current else None, history_partner.partner_id)


async def _key_of(database: Database, runtime: Runtime, partner: str, before: str | None) -> str:
    """Return the stored key if it still works, otherwise a new one."""
    if before is not None and await _works(database, runtime, before):
        return before
    return (await create_key(database, runtime, partner=partner, permissions=PERMISSIONS)).key


def _new_password(runtime: Runtime) -> str:
    """Return four groups of four letters and digits, which are easy to type."""
    text = base64.b32encode(runtime.random_bytes(PASSWORD_BYTES)).decode().lower()
    return "-".join(text[place : place + 4] for place in range(0, len(text), 4))


async def _make_admin(database: Database, runtime: Runtime, password: str, *, is_new: bool) -> bool:
    """Add the admin of the console. Return whether it has this password.

    `is_new`: set the password of an existing admin. Otherwise a password that somebody chose stays.
    """
    try:
        await add_staff(database, runtime, ADMIN, Role.ADMIN, password)
    except StaffNameTaken:
        if not is_new:
            return await has_password(database, ADMIN, password)
        await set_password(database, runtime, ADMIN, password)
    return True


async def _works(database: Database, runtime: Runtime, key: str) -> bool:
    with suppress(DomainError):
        for permission in PERMISSIONS:
            await Keyring(database, runtime).partner_for(key, permission)
        return True
    return False


def _stored(key_file: Path) -> dict[str, str]:
    return json.loads(key_file.read_text()) if key_file.exists() else {}


def _store(key_file: Path, credentials: dict[str, str]) -> None:
    key_file.parent.mkdir(parents=True, exist_ok=True)
    key_file.unlink(missing_ok=True)
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(credentials, file)


def _post(url: str, path: str, key: str, idempotency_key: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a POST of a partner, and return the JSON of the response. A second run with the same key is a replay."""
    request = urllib.request.Request(  # noqa: S310  (our own address)
        url + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "X-API-Key": key, "Idempotency-Key": idempotency_key},
    )
    with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_SECONDS) as answer:  # noqa: S310
        return json.load(answer)


def _tell_story(url: str, metrics_url: str, credentials: _Credentials) -> None:
    try:
        _sell(url, metrics_url, credentials)
    except HTTPError as error:
        typer.echo(f"The demo was refused: {error.read().decode()}", err=True)
        os.kill(os.getpid(), signal.SIGTERM)


def _sell(url: str, metrics_url: str, credentials: _Credentials) -> None:
    console, key = Console(highlight=False), credentials.key
    request = {"product_id": 106, "quantity": BATCH_QUANTITY, "batch_id": BATCH_ID}
    batch = _post(url, "/api/ota/tickets/bulk-generate", key, "demo-generate", request)
    first, second = batch["tickets"][0], batch["tickets"][1]
    customer = {
        "customer_details": {
            "name": "John Smith",
            "email": "john.smith@example.com",
            "phone": "+1234567890",
        },
        "payment_reference": "PAY-OTA-2025-001",
    }
    sale = _post(url, f"/api/ota/tickets/{first['ticket_code']}/activate", key, "demo-activate", customer)

    console.rule(f"1. {PARTNER} generates a batch of {BATCH_QUANTITY}")
    shown = {**batch, "tickets": [_shortened(first), f"… and {BATCH_QUANTITY - 1} more"]}
    console.print_json(json.dumps(shown), highlight=console.is_terminal)
    console.rule("2. It activates one ticket for a customer")
    console.print_json(json.dumps(sale), highlight=console.is_terminal)
    console.rule("3. The customer shows this QR at the gate")
    if can_show(QR_BLOCKS):
        console.print(qr_drawing(first["qr_token"], in_colour=console.is_terminal and not console.no_color))
    else:
        typer.echo(f"This terminal cannot show the QR. Open {url}/console/tickets/{first['ticket_code']}")
    console.print(first["ticket_code"], "\n")
    console.rule("Your turn: paste a line into another terminal")
    _print_curl_lines(url, key, second["ticket_code"], sale["order_id"], first["qr_token"])
    _print_test_key(url, credentials.test_key)
    console.rule("See the result in the console")
    typer.echo(f"{url}/console")
    typer.echo(
        f"{url}/console?partner={credentials.history_partner_id}&days=90  (history of {HISTORY_PARTNER})"
    )
    typer.echo(f"name      {ADMIN}\npassword  {credentials.password or '(changed since)'}\n")
    typer.echo(f"premade serves at {url} with metrics at {metrics_url}; Ctrl-C ends it and its database.")


def _print_test_key(url: str, key: str) -> None:
    typer.echo(
        f"# for your own tests: a test key of {HISTORY_PARTNER}. Its tickets say SAMPLE, and the operator's gates refuse them"
    )
    typer.echo(f"curl -s -H 'X-API-Key: {key}' {url}/api/ota/inventory\n")


def _shortened(ticket: dict[str, Any]) -> dict[str, Any]:
    picture_text = ticket["qr_code"]
    return {**ticket, "qr_code": f"{picture_text[:_SHOWN_CHARACTERS]}… ({len(picture_text)} characters)"}


def qr_drawing(token: str, *, in_colour: bool) -> Text:
    """Return the QR for a terminal, two modules per character; black on white if colours can be used."""
    margin = picture.MARGIN_MODULES
    side = picture.SIDE_MODULES
    dark = [
        [bool(row[column // 8] >> (column % 8) & 1) for column in range(side)]
        for row in picture.modules(token)
    ]

    def is_light(row: int, column: int) -> bool:
        row, column = row - margin, column - margin
        return not (0 <= row < side and 0 <= column < side and dark[row][column])

    # The light modules are drawn, since most terminals are dark. With colours, the style sets the background too.
    blocks = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
    lines = [
        "".join(
            blocks[is_light(row, column), is_light(row + 1, column)] for column in range(side + 2 * margin)
        )
        for row in range(0, side + 2 * margin, 2)
    ]
    return Text("\n".join(lines), style="bright_white on black" if in_colour else "")


def _print_curl_lines(url: str, key: str, code: str, order_id: str, token: str) -> None:
    """Print plain lines, without wrapping or colours, so that they can be pasted."""
    header = f"-H 'X-API-Key: {key}'"
    as_json = "-H 'Content-Type: application/json'"
    customer = (
        '{"customer_details":{"name":"Mei Wong","email":"mei.wong@example.com","phone":"+85291234567"},'
        '"payment_reference":"PAY-OTA-2025-002"}'
    )
    scan = json.dumps(
        {"qr": token, "function_code": "ferry", "device_id": "gate-1", "scan_id": "my-first-scan"}
    )
    lines = {
        "available stock": f"curl -s {header} {url}/api/ota/inventory",
        "one ticket": f"curl -s {header} {url}/api/ota/tickets/{code}",
        "activate it": f"curl -s {header} {as_json} -H 'Idempotency-Key: my-first-sale' "
        f"-d '{customer}' {url}/api/ota/tickets/{code}/activate",
        "its first order": f"curl -s {header} {url}/api/ota/orders/{order_id}",
        "scan the QR above at the gate": f"curl -s {header} {as_json} -d '{scan}' {url}/api/gate/redemptions",
        "price of a batch of 10 (dry run)": f"curl -s {header} {as_json} "
        f'-d \'{{"product_id":107,"quantity":10,"batch_id":"MINE-001"}}\' '
        f"'{url}/api/ota/tickets/bulk-generate?dry_run=true'",
    }
    for what, line in lines.items():
        typer.echo(f"# {what}\n{line}\n")

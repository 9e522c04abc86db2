"""The operations that are measured: over HTTP by wrk, and their ceilings by pgbench."""

import tempfile

from bench.load import Load, Void, pgbench, wrk
from bench.place import Place

MANY, SOME, ONE = 64, 16, 1
"""Numbers of clients. On two cores PostgreSQL is fastest with `SOME` processes; `MANY` slow each other down."""
PER_SECOND_MAX = 12_000
"""Tickets that are prepared for each second: more than anything here can sell."""
PER_SECOND_ALONE_MAX = 4_000
"""The same for one client."""
USES_PER_SECOND_MAX = 8_000
"""The same for the gate. Its tickets take longer to prepare, because each has an order."""
TEN_THOUSAND = 10_000
PLACES_IN_THE_LIST = 200
WARM_UP_SECONDS = 2


def assert_each_counted(what: str, load: Load, done: int, clients: int) -> None:
    """Check that each response is one change. wrk ends before the last response of each client, so there may be more changes."""
    answers = sum(load.statuses.values())
    if not answers <= done <= answers + clients:
        message = f"{answers} {what} were answered, {done} were done"
        raise Void(message)


def sold_exactly(place: Place, first: int, load: Load, clients: int) -> None:
    """Check that each response is the sale of another ticket."""
    assert_each_counted("activations", load, place.activated(first, PER_SECOND_MAX * 10), clients)


def prepared(clients: int, seconds: int) -> int:
    """Return how many tickets to prepare."""
    return seconds * (PER_SECOND_ALONE_MAX if clients == ONE else PER_SECOND_MAX)


def activate(place: Place, clients: int, seconds: int) -> Load:
    return sell(place, place.fill(prepared(clients, seconds)), clients, seconds)


def sell(place: Place, first: int, clients: int, seconds: int) -> Load:
    """Activate the tickets from `first` on, for some seconds."""
    place.next_ticket = first + PER_SECOND_MAX * 10  # later tickets are not counted
    url, key = place.service.url, place.seller.key
    load = wrk(url, "activate.lua", key, 0, first, 1, 1, 10**12, clients=clients, seconds=seconds)
    sold_exactly(place, first, load.all_of(200), clients)
    return load


def ceiling(place: Place, script: str, clients: int, seconds: int) -> Load:
    share = prepared(clients, seconds) // clients
    first = place.fill(share * clients)
    place.next_ticket = first + PER_SECOND_MAX * 10
    load = pgbench(
        place.dsn,
        script,
        clients=clients,
        seconds=seconds,
        first=first,
        share=share,
        n=0,
        partner_id=place.seller.partner_id,
    )
    sold_exactly(place, first, load, 0)
    return load


def used_exactly(place: Place, first: int, load: Load, clients: int) -> None:
    """Check that each response is the redemption of another ticket."""
    assert_each_counted("redemptions", load, place.redeemed(first, 2 * USES_PER_SECOND_MAX * 10), clients)


def redeem(place: Place, clients: int, seconds: int) -> Load:
    count = USES_PER_SECOND_MAX * seconds
    return use(place, place.fill_sold(count), clients, seconds)


def use(place: Place, first: int, clients: int, seconds: int) -> Load:
    """Redeem every second ticket from `first` on, for some seconds."""
    count = USES_PER_SECOND_MAX * seconds
    place.next_ticket = first + 2 * USES_PER_SECOND_MAX * 10  # later tickets are not counted
    with tempfile.NamedTemporaryFile("w", suffix=".tokens") as tokens:
        tokens.writelines(f"{token}\n" for token in place.tokens(first, count))
        tokens.flush()
        url, key = place.service.url, place.gate_key
        load = wrk(url, "redeem.lua", key, tokens.name, first, clients=clients, seconds=seconds)
    used_exactly(place, first, load.all_of(200), clients)
    return load


def redeem_ceiling(place: Place, clients: int, seconds: int) -> Load:
    share = USES_PER_SECOND_MAX * seconds // clients
    first = place.fill_sold(share * clients)
    place.next_ticket = first + 2 * USES_PER_SECOND_MAX * 10
    load = pgbench(
        place.dsn,
        "one_redemption.sql",
        clients=clients,
        seconds=seconds,
        first=first,
        share=share,
        n=0,
        partner_id=place.seller.partner_id,
    )
    used_exactly(place, first, load, 0)
    return load


def generate(place: Place, run: str, seconds: int) -> Load:
    seller = place.seller
    load = wrk(
        place.service.url,
        "generate.lua",
        seller.key,
        seller.product_id,
        run,
        clients=SOME,
        seconds=seconds,
    )
    return load.all_of(201)


def refuse(place: Place, seconds: int) -> Load:
    first = place.fill(TEN_THOUSAND)
    url, key = place.service.url, place.seller.key
    wrk(url, "activate.lua", key, 0, first, 1, 1, TEN_THOUSAND, clients=SOME, seconds=WARM_UP_SECONDS)
    sold = place.activated(first, TEN_THOUSAND) - SOME
    load = wrk(url, "refuse.lua", key, first + 1, sold - 1, clients=MANY, seconds=seconds)
    return load.all_of(404, 409)


def list_pages(place: Place, seconds: int) -> Load:
    """Measure one client that lists tickets, from the newest to the oldest."""
    url, key = place.service.url, place.seller.key
    load = wrk(url, "list.lua", key, *place.cursors(PLACES_IN_THE_LIST), clients=ONE, seconds=seconds)
    return load.all_of(200)

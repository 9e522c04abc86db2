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


def tickets_for(clients: int, seconds: int) -> int:
    """Return how many unused tickets to prepare."""
    return seconds * (PER_SECOND_ALONE_MAX if clients == ONE else PER_SECOND_MAX)


def sold_tickets_for(seconds: int) -> int:
    """Return how many sold tickets to prepare."""
    return seconds * USES_PER_SECOND_MAX


def activate(place: Place, clients: int, seconds: int) -> Load:
    return activate_from(place, place.fill(tickets_for(clients, seconds)), clients, seconds)


def activate_from(place: Place, first: int, clients: int, seconds: int) -> Load:
    """Activate the prepared tickets from `first` on. Check that each response is the sale of another one."""
    url, key = place.service.url, place.seller.key
    load = wrk(url, "activate.lua", key, 0, first, 1, 1, 10**12, clients=clients, seconds=seconds)
    activated = place.activated(first, tickets_for(clients, seconds))
    assert_each_counted("activations", load.all_of(200), activated, clients)
    return load


def ceiling(place: Place, script: str, clients: int, seconds: int) -> Load:
    share = tickets_for(clients, seconds) // clients
    first = place.fill(share * clients)
    load = _statements(place, script, clients, seconds, first, share)
    assert_each_counted("activations", load, place.activated(first, share * clients), 0)
    return load


def redeem(place: Place, clients: int, seconds: int) -> Load:
    return redeem_from(place, place.fill_sold(sold_tickets_for(seconds)), clients, seconds)


def redeem_from(place: Place, first: int, clients: int, seconds: int) -> Load:
    """Redeem every second prepared ticket from `first` on. Check that each response is the redemption of another one."""
    count = sold_tickets_for(seconds)
    with tempfile.NamedTemporaryFile("w", suffix=".tokens") as tokens:
        tokens.writelines(f"{token}\n" for token in place.tokens(first, count))
        tokens.flush()
        url, key = place.service.url, place.gate_key
        load = wrk(url, "redeem.lua", key, tokens.name, first, clients=clients, seconds=seconds)
    assert_each_counted("redemptions", load.all_of(200), place.redeemed(first, 2 * count), clients)
    return load


def redeem_ceiling(place: Place, clients: int, seconds: int) -> Load:
    share = sold_tickets_for(seconds) // clients
    first = place.fill_sold(share * clients)
    load = _statements(place, "one_redemption.sql", clients, seconds, first, share)
    assert_each_counted("redemptions", load, place.redeemed(first, 2 * share * clients), 0)
    return load


def _statements(place: Place, script: str, clients: int, seconds: int, first: int, share: int) -> Load:
    """Run the service's statement alone. Each client has `share` of the prepared tickets from `first` on."""
    return pgbench(
        place.dsn,
        script,
        clients=clients,
        seconds=seconds,
        first=first,
        share=share,
        n=0,
        partner_id=place.seller.partner_id,
    )


def generate(place: Place, run: str, seconds: int, clients: int = SOME) -> Load:
    """Generate batches of 100 tickets. `run` begins their ids."""
    url, seller = place.service.url, place.seller
    load = wrk(url, "generate.lua", seller.key, seller.product_id, run, clients=clients, seconds=seconds)
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

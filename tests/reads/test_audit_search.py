"""The search in the audit record reads a limited number of events at a time."""

from support.postgres import own_database
from support.shop import Shop

from premade.audit.events import TicketRedeemed
from premade.console.audit.search import EventFilter, search_events
from premade.postgres.keyset import ROWS_READ_MAX


def test_a_search_that_has_not_read_all_shows_no_event_that_does_not_match(dsn: str) -> None:
    searched = EventFilter(event=TicketRedeemed)
    with own_database(dsn) as own:
        shop = Shop(own, "http://nowhere")
        shop.sql(
            "INSERT INTO audit_events (event, actor, data, occurred_at) "
            "SELECT 'staff.added', 'command:mei', '{}', now() FROM generate_series(1, %s) RETURNING 1",
            ROWS_READ_MAX + 10,
        )
        first = shop.operate(lambda database, _: search_events(database, searched, None))
        last = shop.operate(lambda database, _: search_events(database, searched, first.following))

    assert (first.groups, last.groups) == ([], [])
    assert first.following is not None
    assert first.back_to is not None
    assert last.following is None

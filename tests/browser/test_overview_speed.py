"""How soon the overview comes when a million tickets were sold. It reads sums alone, so what counts is how many of those
there are: 20 partners sell 5 products each through one channel.
"""

import time
from pathlib import Path

import httpx
import psycopg
import pytest
from browser.test_overview import signed_in
from support.postgres import own_database
from support.service import environment_for, running_service
from support.shop import Shop

PAGE_SECONDS_MAX = 0.2
TRIES_MAX = 25
FILL = b"""
    INSERT INTO channels VALUES ('much', false);
    INSERT INTO products (product_id, name, ticket_type, price, currency, created_at)
        SELECT n, 'P', 'FERRY', 1, 'HKD', now() FROM generate_series(1, 5) n;
    INSERT INTO allotments (product_id, channel, allotted, issued)
        SELECT n, 'much', 1000000, 400000 FROM generate_series(1, 5) n;
    INSERT INTO partners (name, name_key, channel, created_at)
        SELECT 'partner ' || n, 'partner' || n, 'much', now() FROM generate_series(1, 20) n;
    INSERT INTO signing_keys VALUES ('K999', decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'), now());
    INSERT INTO batches (partner_id, batch_id, product_id, channel, quantity, entitlements, price, currency,
            signing_key_id, request_digest, created_at)
        SELECT p.partner_id, 'B' || n, n % 5 + 1, 'much', 100, '[]', 1, 'HKD', 'K999', '', now() - n * interval '2 hours'
        FROM partners p CROSS JOIN generate_series(1, 1000) n;
    INSERT INTO ticket_totals
        SELECT p.partner_id, n % 5 + 1, current_date + n / 5, 100 FROM partners p CROSS JOIN generate_series(0, 99) n;
    INSERT INTO activation_spans
        SELECT activation_span(now()) - s * interval '5 minutes', p.partner_id, n, 1
        FROM partners p CROSS JOIN generate_series(1, 5) n CROSS JOIN generate_series(0, 287) s;
    INSERT INTO ticket_deltas (partner_id, product_id, last_day, currency, span, unused_change, activated, amount)
        SELECT p.partner_id, n % 5 + 1, current_date, 'HKD', now(), -1, 1, 100
        FROM partners p CROSS JOIN generate_series(1, 50) n;
    INSERT INTO sales_days SELECT current_date - d, p.partner_id, n, 'HKD', 111, 11100
        FROM partners p CROSS JOIN generate_series(1, 5) n CROSS JOIN generate_series(0, 89) d;
    INSERT INTO refusal_days SELECT current_date - d, p.partner_id, 'CODE_' || n, 2
        FROM partners p CROSS JOIN generate_series(1, 6) n CROSS JOIN generate_series(0, 89) d;
"""


@pytest.mark.nightly
def test_the_page_comes_in_less_than_200_ms_after_a_million_sales(dsn: str, tmp_path: Path) -> None:
    tries: list[float] = []
    with own_database(dsn) as own:
        with psycopg.connect(own, autocommit=True) as connection:
            connection.execute(FILL)
        with running_service(environment_for(own), tmp_path / "log") as service:
            for client in signed_in(Shop(own, service.url)):
                assert f"{999_000 + 1_000:,}" in client.get("/console?days=90").text
                # Other tests run beside this one: the best of some tries counts.
                while len(tries) < TRIES_MAX and min(tries, default=PAGE_SECONDS_MAX) >= PAGE_SECONDS_MAX:
                    tries.append(seconds_of(client))
    print(f"the fastest page: {min(tries) * 1000:.0f} ms")
    assert min(tries) < PAGE_SECONDS_MAX, tries


def seconds_of(client: httpx.Client) -> float:
    started = time.perf_counter()
    assert client.get("/console?days=90").status_code == 200
    return time.perf_counter() - started

-- name: batches
INSERT INTO batches (
    partner_id, batch_id, product_id, channel, quantity, entitlements, price, currency, signing_key_id,
    request_digest, created_at
)
SELECT :partner_id::bigint, 'FILL-' || n, :product_id::bigint, :channel::text, 100,
       '[{"function_code": "ferry", "remaining_uses": 2}, {"function_code": "gift", "remaining_uses": 1}, {"function_code": "tokens", "remaining_uses": 10}]',
       288, 'HKD', (SELECT key_id FROM signing_keys WHERE key_id = 'K1'), '', now() - interval '30 days'
FROM generate_series(:first::bigint / 100, (:first::bigint + :count::bigint - 1) / 100) AS n
ON CONFLICT DO NOTHING

-- name: tickets
-- Tokens as long as real ones, about 140 characters, of which base64 makes 188; their signatures are none.
INSERT INTO pre_generated_tickets (
    ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, created_at, status,
    activated_at, order_id
)
SELECT 'CRUISE-2025-FERRY-' || lpad(n::text, 13, '0'), :partner_id::bigint, :product_id::bigint,
       'FILL-' || n / 100,
       translate(encode(convert_to(rpad('PM1:CRUISE-2025-FERRY-' || lpad(n::text, 13, '0') || ':1:K1:',
           141, md5(n::text) || md5((-n)::text)), 'UTF8'), 'base64'), E'\n', ''),
       '[{"function_code": "ferry", "remaining_uses": 2}, {"function_code": "gift", "remaining_uses": 1}, {"function_code": "tokens", "remaining_uses": 10}]',
       288, 'HKD', now() - interval '30 days',
       CASE WHEN sold THEN 'ACTIVE' ELSE 'PRE_GENERATED' END,
       CASE WHEN sold THEN now() - interval '20 days' END,
       CASE WHEN sold THEN 'ORD-' || lpad(n::text, 13, '0') END
FROM generate_series(:first::bigint, :first::bigint + :count::bigint - 1) AS n
CROSS JOIN LATERAL (SELECT :half_sold::boolean AND n % 2 = 0 AS sold) AS state

-- name: orders
-- Of every second ticket, with so many different phone numbers.
INSERT INTO ota_orders (
    order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference, total_amount,
    currency, ticket_codes, operation, idempotency_key, request_digest, created_at
)
SELECT 'ORD-' || lpad(n::text, 13, '0'), :partner_id::bigint, 'John Smith',
       'john.smith.' || n || '@example.com', '+' || 1234567890 + n * 7919 % :phones::bigint, 'PAY-OTA-' || n, 288, 'HKD',
       ARRAY['CRUISE-2025-FERRY-' || lpad(n::text, 13, '0')], 'activate',
       reverse('filled-' || n), sha256(n::text::bytea), now() - interval '20 days'
FROM generate_series(:first::bigint, :first::bigint + :count::bigint - 1, 2) AS n

-- name: events
-- Of the orders. The events of all `tickets` are spread evenly over the time between `starts_at` and `ends_at`.
INSERT INTO audit_events (partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at)
SELECT :partner_id::bigint, 'ticket.activated', 'key:1', md5(n::text),
       'CRUISE-2025-FERRY-' || lpad(n::text, 13, '0'), 'ORD-' || lpad(n::text, 13, '0'),
       jsonb_build_object('payment_reference', 'PAY-OTA-' || n),
       :starts_at::timestamptz + (:ends_at::timestamptz - :starts_at) * (n::float8 / :tickets::bigint)
FROM generate_series(:first::bigint, :first::bigint + :count::bigint - 1, 2) AS n

-- name: generations
-- Events of the batches, as members of staff and commands generate them.
INSERT INTO audit_events (partner_id, event, actor, batch_id, data, occurred_at)
SELECT :partner_id::bigint, 'batch.generated', CASE n % 10 WHEN 0 THEN 'command' || ':' || 'root' ELSE 'staff:' || n % 10 END, 'FILL-' || n,
       jsonb_build_object('product_id', 1, 'quantity', 100),
       :starts_at::timestamptz + (:ends_at::timestamptz - :starts_at) * (n * 100::float8 / :tickets::bigint)
FROM generate_series(:first::bigint / 100, (:first::bigint + :count::bigint - 1) / 100) AS n

-- name: redemptions
-- Events with an Idempotency-Key, of every second order.
INSERT INTO audit_events (
    partner_id, event, actor, request_id, ticket_code, operation, idempotency_key, request_digest, data, occurred_at
)
SELECT :partner_id::bigint, 'ticket.redeemed', 'key:2', md5(n::text), 'CRUISE-2025-FERRY-' || lpad(n::text, 13, '0'), 'redeem',
       'scan ' || n, sha256(n::text::bytea),
       jsonb_build_object('function_code', 'ferry', 'uses', 1, 'device_id', 'GATE-1', 'scan_id', n::text, 'entry', 'qr'),
       :starts_at::timestamptz + (:ends_at::timestamptz - :starts_at) * (n::float8 / :tickets::bigint)
FROM generate_series(:first::bigint, :first::bigint + :count::bigint - 1, 4) AS n

-- name: totals
INSERT INTO ticket_totals (partner_id, product_id, last_day, unused)
VALUES (:partner_id::bigint, :product_id::bigint, 'infinity', :unused::bigint)

-- name: activated
-- How many of these are sold.
SELECT count(*) AS tickets FROM pre_generated_tickets
WHERE partner_id = :partner_id::bigint AND status = 'ACTIVE'
    AND ticket_code BETWEEN 'CRUISE-2025-FERRY-' || lpad(:first::text, 13, '0')
        AND 'CRUISE-2025-FERRY-' || lpad((:first::bigint + :count::bigint - 1)::text, 13, '0')

-- name: last_event
SELECT coalesce(max(event_id), 0) FROM audit_events

-- name: sales_after
SELECT count(*) FROM audit_events WHERE event_id > :event_id::bigint AND event = 'ticket.activated'

-- name: redeemed
-- How many of these were used.
SELECT count(*) AS tickets FROM pre_generated_tickets
WHERE partner_id = :partner_id::bigint AND status = 'ACTIVE' AND first_used_at IS NOT NULL
    AND entitlements @> '[{"function_code": "ferry", "remaining_uses": 1}]'
    AND ticket_code BETWEEN 'CRUISE-2025-FERRY-' || lpad(:first::text, 13, '0')
        AND 'CRUISE-2025-FERRY-' || lpad((:first::bigint + :count::bigint - 1)::text, 13, '0')

-- name: places
-- Rows all over the table, in the order of a partner's list.
SELECT t.created_at, t.ticket_id FROM generate_series(1, :count::bigint) AS n
CROSS JOIN LATERAL (
    SELECT created_at, ticket_id FROM pre_generated_tickets
    WHERE partner_id = :partner_id::bigint
        AND ticket_code >= 'CRUISE-2025-FERRY-' || lpad((n * :below::bigint / (:count::bigint + 1))::text, 13, '0')
    ORDER BY ticket_code
    LIMIT 1
) AS t

-- name: empty
-- What the product itself refuses; see Place.empty.
TRUNCATE pre_generated_tickets, ota_orders, audit_events, audit_keys, batches, ticket_deltas, ticket_totals,
    activation_spans, sales_days

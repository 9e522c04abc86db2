-- name: order_of_key
SELECT order_id, customer_name, customer_email, customer_phone, payment_reference, total_amount, currency,
       created_at AS activated_at, ticket_codes, request_digest, customer_erased_at,
       (
           SELECT batch_id FROM pre_generated_tickets
           WHERE ticket_code = o.ticket_codes[1] AND partner_id = :partner_id
       ) AS batch_id
FROM ota_orders o
WHERE partner_id = :partner_id AND operation = :operation AND idempotency_key = ANY (:idempotency_keys)

-- name: tickets_as_sold
-- A ticket may have been used or reissued since. So take its entitlements from the batch, and sign its token again.
SELECT c.ticket_code, b.entitlements, t.usable_until, e.issue_number, e.signing_key_id
FROM ota_orders o
CROSS JOIN unnest(o.ticket_codes) WITH ORDINALITY AS c (ticket_code, place)
CROSS JOIN LATERAL (
    SELECT batch_id, usable_until FROM pre_generated_tickets
    WHERE ticket_code = c.ticket_code AND partner_id = :partner_id
) AS t
CROSS JOIN LATERAL (
    SELECT entitlements FROM batches
    WHERE partner_id = :partner_id AND batch_id = t.batch_id
) AS b
CROSS JOIN LATERAL (
    SELECT (data->>'issue_number')::integer AS issue_number, data->>'signing_key_id' AS signing_key_id
    FROM audit_events
    WHERE partner_id = :partner_id AND ticket_code = c.ticket_code AND event = :event
        AND order_id = o.order_id
    LIMIT 1
) AS e
WHERE o.partner_id = :partner_id AND o.order_id = :order_id
ORDER BY c.place

-- name: free_tickets
-- The unused tickets of the batch with the lowest codes, without those that another transaction has locked. 'BETWEEN'
-- makes the planner read the index of batches in its order. Otherwise it may read the codes of all partners' tickets, if a
-- few batches are most of the table.
SELECT ticket_id, ticket_code, price, currency, valid_until,
       coalesce(valid_until < both_days(:today, :zone), false) AS is_over
FROM pre_generated_tickets
WHERE partner_id = :partner_id AND batch_id BETWEEN :batch_id AND :batch_id AND status = 'PRE_GENERATED'
ORDER BY batch_id, ticket_code
LIMIT :quantity
FOR NO KEY UPDATE SKIP LOCKED

-- name: wait_for_batch
SELECT valid_until, coalesce(valid_until < both_days(:today, :zone), false) AS is_over
FROM batches
WHERE partner_id = :partner_id AND batch_id = :batch_id
FOR NO KEY UPDATE

-- name: unused_tickets
-- As free_tickets, but wait for tickets that another transaction has locked, and take those that are still unused then.
SELECT ticket_id, ticket_code, price, currency, valid_until,
       coalesce(valid_until < both_days(:today, :zone), false) AS is_over
FROM pre_generated_tickets
WHERE partner_id = :partner_id AND batch_id BETWEEN :batch_id AND :batch_id AND status = 'PRE_GENERATED'
ORDER BY batch_id, ticket_code
LIMIT :quantity
FOR NO KEY UPDATE

-- name: listed_tickets
-- Lock the tickets in code order. For a ticket that it waited for, the statement does not see the new order; run it again.
SELECT t.ticket_id, c.ticket_code, t.price, t.currency, t.valid_until,
       CASE
           WHEN t.ticket_id IS NULL THEN 'unknown'
           WHEN t.status = 'PRE_GENERATED' AND (t.valid_until IS NULL OR t.valid_until >= both_days(:today, :zone)) THEN 'sellable'
           WHEN t.status IN ('PRE_GENERATED', 'EXPIRED') THEN 'expired'
           WHEN t.status = 'CANCELLED' THEN 'cancelled'
           ELSE 'already_activated'
       END AS outcome,
       t.order_id, t.activated_at, sale.payment_reference, c.place
FROM (
    SELECT ticket_code, place FROM unnest(:ticket_codes::text[]) WITH ORDINALITY AS c (ticket_code, place)
    ORDER BY ticket_code
) AS c
LEFT JOIN LATERAL (
    SELECT ticket_id, price, currency, valid_until, status, order_id, activated_at FROM pre_generated_tickets
    WHERE ticket_code = c.ticket_code AND partner_id = :partner_id
    FOR NO KEY UPDATE
) AS t ON true
LEFT JOIN LATERAL (
    SELECT payment_reference FROM ota_orders
    WHERE partner_id = :partner_id AND order_id = t.order_id
) AS sale ON true
ORDER BY c.place

-- name: sell
-- The tickets are locked and unused. No row if a concurrent request used the key.
WITH sold AS (
    INSERT INTO ota_orders (
        order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference,
        total_amount, currency, ticket_codes, operation, idempotency_key, request_digest, created_at
    )
    VALUES (
        'ORD-' || lpad(take_logical_ms('order_id_ms', 1, :partner_id)::text, 13, '0'), :partner_id, :customer_name,
        :customer_email, :customer_phone, :payment_reference, :total_amount, :currency, :ticket_codes,
        :operation, :idempotency_key, :request_digest, both_clocks(:now)
    )
    ON CONFLICT (partner_id, operation, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING order_id
),
activated AS (
    UPDATE pre_generated_tickets t
    SET status = 'ACTIVE', activated_at = both_clocks(:now), order_id = s.order_id,
        usable_until = CASE WHEN t.usable_days IS NULL THEN t.usable_until ELSE both_days(:today, :zone) + t.usable_days END
    FROM sold s CROSS JOIN unnest(:ticket_ids::bigint[]) WITH ORDINALITY AS i (ticket_id, place)
    WHERE t.ticket_id = i.ticket_id AND t.partner_id = :partner_id
    RETURNING i.place, t.order_id, t.ticket_code, t.entitlements, t.qr_code, t.issue_number, t.usable_until, t.activated_at
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at)
    SELECT :partner_id, :event, :actor, :request_id, ticket_code, order_id,
           jsonb_build_object(
               'payment_reference', :event_reference::text,
               'issue_number', issue_number,
               -- The fourth part of the token says who signed it.
               'signing_key_id', split_part(convert_from(decode(qr_code, 'base64'), 'UTF8'), ':', 4)
           ), both_clocks(:now)
    FROM activated
)
SELECT order_id, ticket_code, entitlements, qr_code, usable_until, activated_at FROM activated ORDER BY place

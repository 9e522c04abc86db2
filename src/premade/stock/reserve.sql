-- name: reservation_of_key
SELECT reservation_id, product_id, quantity, taken, created_at, expires_at, end_reason, request_digest
FROM reservations WHERE partner_id = :partner_id AND idempotency_key = :idempotency_key

-- name: look_at_stock
-- Everything that decides about a new reservation. There is always one row.
SELECT p.product_id, partner.reservation_hours_max, both_clocks(:now) AS now,
       coalesce(s.available, 0) AS available, s.stale > 0 AS stale
FROM partners partner
LEFT JOIN products p ON p.product_id = :product_id
LEFT JOIN stock_at(:now) s ON s.product_id = p.product_id AND s.channel = :channel
WHERE partner.partner_id = :partner_id

-- name: reserve
-- Write the allotment last: all requests for a product share its row.
WITH reservation AS (
    INSERT INTO reservations (
        reservation_id, partner_id, product_id, channel, quantity, created_at, expires_at, idempotency_key,
        request_digest
    )
    VALUES (
        'RSV-' || lpad(take_logical_ms('reservation_id_ms', 1, :partner_id)::text, 13, '0'), :partner_id, :product_id, :channel,
        :quantity, both_clocks(:now), :expires_at, :idempotency_key, :request_digest
    )
    ON CONFLICT (partner_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING *
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, request_id, data, occurred_at)
    SELECT partner_id, :event, :actor, :request_id,
           jsonb_build_object(
               'reservation_id', reservation_id, 'product_id', product_id, 'quantity', quantity,
               'expires_at', expires_at
           ),
           created_at
    FROM reservation
),
held AS (
    UPDATE allotments a SET held = a.held + r.quantity
    FROM reservation r WHERE a.product_id = r.product_id AND a.channel = r.channel
)
SELECT reservation_id, product_id, quantity, taken, created_at, expires_at, end_reason FROM reservation

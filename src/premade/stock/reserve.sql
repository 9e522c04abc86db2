-- name: look_at_stock
-- Everything that decides about a new hold, in one row that always comes.
SELECT p.product_id, partner.reservation_hours_max, both_clocks(:now) AS now,
       coalesce(s.available, 0) AS available, s.stale > 0 AS stale,
       same_key.reservation_id AS made_reservation_id, same_key.request_digest AS made_request_digest
FROM partners partner
LEFT JOIN products p ON p.product_id = :product_id
LEFT JOIN stock_at(:now) s ON s.product_id = p.product_id AND s.channel = :channel
LEFT JOIN reservations same_key ON same_key.partner_id = :partner_id AND same_key.idempotency_key = :idempotency_key
WHERE partner.partner_id = :partner_id

-- name: reserve
-- The allotment comes last: its row is the one that all requests for a product share.
WITH made AS (
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
told AS (
    INSERT INTO audit_events (partner_id, event, actor, request_id, data, occurred_at)
    SELECT partner_id, :event, :actor, :request_id,
           jsonb_build_object(
               'reservation_id', reservation_id, 'product_id', product_id, 'quantity', quantity,
               'expires_at', expires_at
           ),
           created_at
    FROM made
),
held AS (
    UPDATE allotments a SET held = a.held + made.quantity
    FROM made WHERE a.product_id = made.product_id AND a.channel = made.channel
)
SELECT reservation_id, product_id, quantity, taken, created_at, expires_at, end_reason FROM made

-- name: look_at_reservation
-- The reservation, and what the key released before, in one row that always comes.
SELECT r.reservation_id, r.product_id, r.channel, r.quantity, r.taken, r.created_at, r.expires_at, r.end_reason,
       same_key.data ->> 'reservation_id' AS made_reservation_id, same_key.request_digest AS made_request_digest
FROM (SELECT) AS one_row
LEFT JOIN reservations r ON r.partner_id = :partner_id AND r.reservation_id = :reservation_id
LEFT JOIN audit_events same_key
    ON same_key.partner_id = :partner_id AND same_key.operation = :operation
    AND same_key.idempotency_key = :idempotency_key

-- name: release
-- Run under the allotment's lock.
WITH released AS (
    UPDATE reservations SET ended_at = both_clocks(:now), end_reason = 'released'
    WHERE partner_id = :partner_id AND reservation_id = :reservation_id AND ended_at IS NULL AND expires_at > both_clocks(:now)
    RETURNING *
),
given_back AS (
    UPDATE allotments a SET held = a.held - (r.quantity - r.taken)
    FROM released r WHERE a.product_id = r.product_id AND a.channel = r.channel
),
told AS (
    INSERT INTO audit_events (
        partner_id, event, actor, request_id, data, occurred_at, operation, idempotency_key, request_digest
    )
    SELECT partner_id, :event, :actor, :request_id,
           jsonb_build_object(
               'reservation_id', reservation_id, 'product_id', product_id, 'held', quantity - taken
           ),
           both_clocks(:now), :operation, :idempotency_key::text, :request_digest::bytea
    FROM released
)
SELECT reservation_id, product_id, quantity, taken, created_at, expires_at, end_reason FROM released

-- name: reservation_by_id
SELECT reservation_id, product_id, quantity, taken, created_at, expires_at, end_reason,
       database_clock() AS database_now
FROM reservations WHERE partner_id = :partner_id AND reservation_id = :reservation_id

-- name: reservations_of_partner
-- As a range of one index: in the order of ids alone, a plan could read everybody's. 'S' comes after all of them.
SELECT reservation_id, product_id, quantity, taken, created_at, expires_at, end_reason,
       database_clock() AS database_now
FROM reservations
WHERE (partner_id, reservation_id) < (:partner_id, coalesce(:after_reservation_id, 'S')) AND partner_id >= :partner_id
ORDER BY partner_id DESC, reservation_id DESC LIMIT :rows_max

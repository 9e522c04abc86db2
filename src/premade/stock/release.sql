-- name: release
-- The transaction has locked the allotment.
WITH released AS (
    UPDATE reservations SET ended_at = both_clocks(:now), end_reason = 'released'
    WHERE partner_id = :partner_id AND reservation_id = :reservation_id AND ended_at IS NULL AND expires_at > both_clocks(:now)
    RETURNING *
),
returned AS (
    UPDATE allotments a SET held = a.held - (r.quantity - r.taken)
    FROM released r WHERE a.product_id = r.product_id AND a.channel = r.channel
),
event AS (
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

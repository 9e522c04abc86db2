-- name: look
-- Everything that decides about a request. There is always one row.
SELECT p.product_id, p.ticket_type, p.code_prefix, p.price, p.currency,
       p.usable_days, p.usable_until,
       (
           SELECT jsonb_agg(
               jsonb_build_object('function_code', f.function_code, 'remaining_uses', f.uses) ORDER BY f.position
           )
           FROM product_functions f WHERE f.product_id = p.product_id
       ) AS entitlements,
       coalesce(s.available, 0) AS available, s.stale > 0 AS stale,
       r.product_id AS reserved_product_id, r.quantity - r.taken AS left_of_reservation,
       r.expires_at AS reservation_expires_at, r.end_reason AS reservation_end_reason,
       both_clocks(:now) AS now, both_days(:today, :zone) AS today,
       EXISTS (SELECT FROM batches b WHERE b.partner_id = :partner_id AND b.batch_id = :batch_id) AS batch_id_taken
FROM (SELECT) AS one_row
LEFT JOIN products p ON p.product_id = :product_id
LEFT JOIN stock_at(:now) s ON s.product_id = p.product_id AND s.channel = :channel
LEFT JOIN reservations r ON r.partner_id = :partner_id AND r.reservation_id = :reservation_id

-- name: take_codes
-- Read the incarnation last: then the codes may be of an earlier incarnation, never of a later one.
SELECT CASE WHEN :quantity::bigint > 0 THEN take_logical_ms('ticket_code_ms', :quantity, :partner_id) END AS first_ms,
       both_days(:today, :zone) AS today, current_incarnation() AS incarnation_id

-- name: write
-- Write the allotment last: all batches of a product share its row. The reservation is changed after it, under its lock.
-- Tickets that are generated later take their stock now.
WITH batch AS (
    INSERT INTO batches (
        partner_id, batch_id, product_id, channel, quantity, entitlements, price, currency, valid_until,
        usable_days, usable_until, metadata, reservation_id, signing_key_id, idempotency_key, request_digest, created_at,
        to_make
    )
    SELECT
        :partner_id, :batch_id, :product_id, :channel, :quantity, :entitlements::jsonb, :price, :currency,
        :valid_until, :usable_days, :usable_until, :metadata::jsonb, :reservation_id, :signing_key_id, :idempotency_key,
        :request_digest, both_clocks(:now), :to_make
    -- The tokens are signed with a key from before a restore: the next attempt takes new codes and a new key.
    WHERE current_incarnation() = :incarnation_id
    ON CONFLICT DO NOTHING
    RETURNING *
),
ticket AS (
    INSERT INTO pre_generated_tickets (
        ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, valid_until,
        usable_days, usable_until, created_at
    )
    SELECT t.ticket_code, b.partner_id, b.product_id, b.batch_id, t.qr_code, b.entitlements, b.price,
           b.currency, b.valid_until, b.usable_days, b.usable_until, b.created_at
    FROM batch b CROSS JOIN jsonb_to_recordset(:tickets::jsonb) AS t (ticket_code text, qr_code text)
    RETURNING partner_id
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, request_id, batch_id, data, occurred_at)
    SELECT b.partner_id, :event, :actor, :request_id, b.batch_id,
           jsonb_strip_nulls(
               jsonb_build_object(
                   'product_id', b.product_id, 'quantity', b.quantity, 'reservation_id', b.reservation_id
               )
           ),
           b.created_at
    FROM batch b
),
stock AS (
    UPDATE allotments a
    SET issued = a.issued + n.taken, held = a.held - CASE WHEN :reservation_id IS NULL THEN 0 ELSE n.taken END
    FROM (SELECT (SELECT count(*)::integer FROM ticket) + (SELECT to_make FROM batch) AS taken) AS n
    WHERE n.taken > 0 AND a.product_id = :product_id AND a.channel = :channel
    RETURNING a.product_id, a.channel, n.taken
),
reservation AS (
    UPDATE reservations r
    SET taken = r.taken + s.taken,
        ended_at = CASE WHEN r.taken + s.taken = r.quantity THEN both_clocks(:now) END,
        end_reason = CASE WHEN r.taken + s.taken = r.quantity THEN 'used_up' END
    FROM stock s
    WHERE r.partner_id = :partner_id AND r.reservation_id = :reservation_id
        AND r.product_id = s.product_id AND r.channel = s.channel
        AND r.ended_at IS NULL AND r.expires_at > both_clocks(:now) AND r.taken + s.taken <= r.quantity
    RETURNING r.reservation_id
)
SELECT (SELECT count(*) FROM batch) AS batches, (SELECT count(*) FROM stock) AS stock,
       (SELECT count(*) FROM reservation) AS reservations

-- name: batch_of_key
SELECT batch_id, product_id, entitlements, price, currency, valid_until, usable_days, usable_until, metadata,
       reservation_id, created_at, signing_key_id, request_digest
FROM batches WHERE partner_id = :partner_id AND idempotency_key = :idempotency_key

-- name: codes_of_batch
SELECT ticket_code FROM pre_generated_tickets
WHERE partner_id = :partner_id AND batch_id = :batch_id ORDER BY ticket_code

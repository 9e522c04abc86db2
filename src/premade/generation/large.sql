-- name: unfinished
-- Unfinished batches of all partners, each with the actor who began it. A batch with a retired key cannot be continued.
-- Expiry stops a batch whose last day of sale has ended.
SELECT b.partner_id, b.batch_id, b.channel, begun.actor
FROM batches b
CROSS JOIN LATERAL (
    SELECT actor FROM audit_events
    WHERE partner_id = b.partner_id AND batch_id = b.batch_id AND ticket_code IS NULL AND event = :begun
    LIMIT 1
) AS begun
-- 'to_make + 0' is the expression of the index batches_being_made, which has only unfinished batches.
WHERE b.to_make + 0 > 0 AND b.created_at <= both_clocks(:now) AND (b.valid_until IS NULL OR b.valid_until >= both_days(:today, :zone))
    AND (SELECT k.retired_at FROM signing_keys k WHERE k.key_id = b.signing_key_id) IS NULL
ORDER BY b.created_at
LIMIT :batches_max

-- name: large_batch
SELECT b.batch_id, b.product_id, b.quantity, b.to_make, b.unmade, b.valid_until, b.request_digest, b.signing_key_id,
       p.code_prefix, p.ticket_type, coalesce(b.valid_until < both_days(:today, :zone), false) AS is_over,
       (SELECT k.retired_at FROM signing_keys k WHERE k.key_id = b.signing_key_id) AS key_retired_at
FROM batches b
JOIN products p ON p.product_id = b.product_id
WHERE b.partner_id = :partner_id AND b.batch_id = :batch_id

-- name: write_tickets
-- Change the batch first: the lock of its row orders generation, cancellation and expiry. A process may have been suspended
-- after it signed these tickets. So check the key and the last day of sale again. Read the incarnation before the UPDATE,
-- because Citus allows no volatile function in an UPDATE of a spread table.
WITH incarnation AS MATERIALIZED (SELECT current_incarnation() AS incarnation_id),
batch AS (
    UPDATE batches b SET to_make = to_make - jsonb_array_length(:tickets::jsonb)
    FROM incarnation
    WHERE partner_id = :partner_id AND batch_id = :batch_id AND to_make >= jsonb_array_length(:tickets::jsonb)
        AND (valid_until IS NULL OR valid_until >= both_days(:today, :zone))
        AND (SELECT k.retired_at FROM signing_keys k WHERE k.key_id = b.signing_key_id) IS NULL
        -- After a restore the batch has another key.
        AND signing_key_id = :signing_key_id AND incarnation_id IS NOT NULL
    RETURNING b.*
),
ticket AS (
    INSERT INTO pre_generated_tickets (
        ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, valid_until,
        usable_days, usable_until, created_at
    )
    SELECT t.ticket_code, b.partner_id, b.product_id, b.batch_id, t.qr_code, b.entitlements, b.price,
           b.currency, b.valid_until, b.usable_days, b.usable_until, both_clocks(:now)
    FROM batch b CROSS JOIN jsonb_to_recordset(:tickets::jsonb) AS t (ticket_code text, qr_code text)
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, batch_id, data, occurred_at)
    SELECT b.partner_id, :event, :actor, b.batch_id,
           jsonb_strip_nulls(
               jsonb_build_object(
                   'product_id', b.product_id, 'quantity', b.quantity, 'reservation_id', b.reservation_id
               )
           ),
           both_clocks(:now)
    FROM batch b WHERE b.to_make = 0
)
SELECT to_make, unmade FROM batch

-- name: being_made
-- Of all partners: what the service goes on with, each by whoever began it. One whose key is retired cannot go on, and
-- one whose last day of sale is over is ended by expiry.
SELECT b.partner_id, b.batch_id, b.channel, begun.actor
FROM batches b
CROSS JOIN LATERAL (
    SELECT actor FROM audit_events
    WHERE partner_id = b.partner_id AND batch_id = b.batch_id AND ticket_code IS NULL AND event = :begun
    LIMIT 1
) AS begun
-- 'to_make + 0', as the index batches_being_made has it: it holds the unfinished batches only.
WHERE b.to_make + 0 > 0 AND b.created_at <= both_clocks(:now) AND (b.valid_until IS NULL OR b.valid_until >= both_days(:today, :zone))
    AND (SELECT k.retired_at FROM signing_keys k WHERE k.key_id = b.signing_key_id) IS NULL
ORDER BY b.created_at
LIMIT :batches_max

-- name: batch_to_make
SELECT b.batch_id, b.product_id, b.quantity, b.to_make, b.unmade, b.valid_until, b.request_digest, b.signing_key_id,
       p.code_prefix, p.ticket_type, coalesce(b.valid_until < both_days(:today, :zone), false) AS is_over,
       (SELECT k.retired_at FROM signing_keys k WHERE k.key_id = b.signing_key_id) AS key_retired_at
FROM batches b
JOIN products p ON p.product_id = b.product_id
WHERE b.partner_id = :partner_id AND b.batch_id = :batch_id

-- name: make
-- The batch comes first: by its row makers, cancellations and expiry take turns. Tickets that were signed long ago, by
-- a process that stood still meanwhile, may find that their key or their last day of sale is gone.
WITH batch AS (
    UPDATE batches b SET to_make = to_make - jsonb_array_length(:tickets::jsonb)
    WHERE partner_id = :partner_id AND batch_id = :batch_id AND to_make >= jsonb_array_length(:tickets::jsonb)
        AND (valid_until IS NULL OR valid_until >= both_days(:today, :zone))
        AND (SELECT k.retired_at FROM signing_keys k WHERE k.key_id = b.signing_key_id) IS NULL
        -- After a restore the batch has another key.
        AND signing_key_id = :signing_key_id AND current_incarnation() IS NOT NULL
    RETURNING *
),
made AS (
    INSERT INTO pre_generated_tickets (
        ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, valid_until,
        usable_days, usable_until, created_at
    )
    SELECT t.ticket_code, b.partner_id, b.product_id, b.batch_id, t.qr_code, b.entitlements, b.price,
           b.currency, b.valid_until, b.usable_days, b.usable_until, both_clocks(:now)
    FROM batch b CROSS JOIN jsonb_to_recordset(:tickets::jsonb) AS t (ticket_code text, qr_code text)
),
told AS (
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

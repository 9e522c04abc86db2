-- name: due
-- Batches of all partners with tickets to expire.
SELECT partner_id, batch_id FROM batches
WHERE expired_at IS NULL AND valid_until < both_days(:today, :zone)
ORDER BY valid_until LIMIT :batches_max

-- name: only_one
SELECT pg_try_advisory_xact_lock(:lock::bigint) AS mine

-- name: lock_batch
SELECT product_id, channel, to_make FROM batches
WHERE partner_id = :partner_id AND batch_id = :batch_id AND expired_at IS NULL
FOR NO KEY UPDATE SKIP LOCKED

-- name: expire
-- Skip tickets that a sale has locked: it may have begun before midnight. Write the allotment last: all requests for a
-- product share its row.
WITH unused AS MATERIALIZED (
    SELECT ticket_id FROM pre_generated_tickets
    -- The row comparison makes the planner read the index of batches. The index of codes would read all other batches too.
    WHERE partner_id = :partner_id AND (batch_id, ticket_code) > (:batch_id, :after)
        AND batch_id <= :batch_id AND status = 'PRE_GENERATED'
    ORDER BY batch_id, ticket_code LIMIT :tickets_max
    FOR NO KEY UPDATE SKIP LOCKED
),
expired AS (
    UPDATE pre_generated_tickets t SET status = 'EXPIRED'
    FROM unused u WHERE t.ticket_id = u.ticket_id AND t.partner_id = :partner_id
    RETURNING t.ticket_code, t.valid_until
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, batch_id, ticket_code, data, occurred_at)
    SELECT :partner_id, :event, :actor, :batch_id, ticket_code,
           jsonb_build_object('valid_until', valid_until), both_clocks(:now)
    FROM expired
    RETURNING ticket_code
),
returned AS (
    UPDATE allotments a SET issued = a.issued - n.tickets
    FROM (SELECT count(*)::integer AS tickets FROM event) AS n
    WHERE a.product_id = :product_id AND a.channel = :channel AND n.tickets > 0
)
SELECT count(*) AS expired, max(ticket_code) AS last_code FROM expired

-- name: end_batch
UPDATE batches SET expired_at = both_clocks(:now)
WHERE partner_id = :partner_id AND batch_id = :batch_id
    AND NOT EXISTS (
        SELECT FROM pre_generated_tickets t
        WHERE t.partner_id = :partner_id AND t.batch_id = :batch_id AND t.status = 'PRE_GENERATED'
    )
RETURNING batch_id

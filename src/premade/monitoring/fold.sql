-- name: fold
-- One transaction: what is taken from the deltas stands in the sums at the same moment.
WITH taken AS (
    DELETE FROM ticket_deltas
    WHERE delta_id IN (
        SELECT delta_id FROM ticket_deltas ORDER BY delta_id LIMIT :deltas_max FOR UPDATE SKIP LOCKED
    )
    RETURNING partner_id, product_id, last_day, activated_span, unused_change, activated
),
totals AS (
    INSERT INTO ticket_totals (partner_id, product_id, last_day, unused)
    SELECT partner_id, product_id, last_day, sum(unused_change)
    FROM taken GROUP BY partner_id, product_id, last_day
    ON CONFLICT (partner_id, product_id, last_day)
        DO UPDATE SET unused = ticket_totals.unused + excluded.unused
),
spans AS (
    INSERT INTO activation_spans (span, partner_id, product_id, activated)
    SELECT activated_span, partner_id, product_id, sum(activated)
    FROM taken WHERE activated > 0 GROUP BY activated_span, partner_id, product_id
    ON CONFLICT (span, partner_id, product_id)
        DO UPDATE SET activated = activation_spans.activated + excluded.activated
)
SELECT count(*) AS folded FROM taken

-- name: forget_old_spans
DELETE FROM activation_spans WHERE span < :before

-- name: only_one
SELECT pg_try_advisory_xact_lock(:lock::bigint) AS mine

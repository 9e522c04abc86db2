-- name: batch_to_export
SELECT b.batch_id, b.product_id, p.name AS product_name, b.usable_days, r.is_test, counted.tickets
FROM batches b
JOIN products p USING (product_id)
JOIN partners r USING (partner_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS tickets
    FROM (
        SELECT status FROM pre_generated_tickets
        WHERE partner_id = :partner_id AND batch_id = b.batch_id
            AND (:statuses::text[] IS NULL OR status = ANY(:statuses))
    ) AS t
) AS counted
WHERE b.partner_id = :partner_id AND b.batch_id = :batch_id

-- name: tickets_to_export
-- In the order of the index tickets_by_batch: PostgreSQL returns the first rows without reading and sorting all.
SELECT ticket_code, status, qr_code, issue_number, entitlements::text AS entitlements, price, currency, valid_until,
       usable_until, created_at, activated_at, order_id
FROM pre_generated_tickets
WHERE partner_id = :partner_id AND batch_id = :batch_id AND ticket_code > :after_code
    AND (:last_code::text IS NULL OR ticket_code <= :last_code)
    AND (:statuses::text[] IS NULL OR status = ANY(:statuses))
ORDER BY ticket_code
LIMIT :rows_max

-- name: codes_at
SELECT place, ticket_code
FROM (
    SELECT ticket_code, row_number() OVER (ORDER BY ticket_code) AS place FROM pre_generated_tickets
    WHERE partner_id = :partner_id AND batch_id = :batch_id
    ORDER BY ticket_code
    LIMIT :place_max
) AS t
WHERE place = ANY(:places::bigint[])

-- name: record_export
INSERT INTO audit_events (
    partner_id, event, actor, request_id, batch_id, data, occurred_at, operation, idempotency_key, request_digest
)
SELECT partner_id, :event, :actor, :request_id, batch_id, jsonb_strip_nulls(:data::jsonb), both_clocks(:now), :operation::text,
       :once::text, CASE WHEN :once::text IS NOT NULL THEN ''::bytea END
FROM batches WHERE partner_id = :partner_id AND batch_id = :batch_id

-- name: lock_device
-- One upload of a device at a time, so that a concurrent copy of an upload finds the results of the first.
SELECT pg_advisory_xact_lock(:lock_space, hashtext(:device)) AS held, database_clock() AS database_now

-- name: lock_tickets
SELECT ticket_id FROM pre_generated_tickets
WHERE ticket_code = ANY (:ticket_codes) AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
ORDER BY ticket_code
FOR NO KEY UPDATE

-- name: earlier_conflicts
-- The conflicts of an earlier upload of the same scans, found by their digests.
SELECT i.position, m.ticket_code, m.data
FROM jsonb_to_recordset(:scans::jsonb) AS i (
    position integer, ticket_code text, idempotency_key text, old_key text
)
LEFT JOIN LATERAL (
    SELECT partner_id FROM pre_generated_tickets
    WHERE ticket_code = i.ticket_code AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
    -- LIMIT keeps the lookup from being joined with the whole table.
    LIMIT 1
) AS k ON true
CROSS JOIN LATERAL (
    SELECT e.ticket_code, e.data
    FROM audit_keys a
    JOIN audit_events e ON e.event_id = a.event_id AND e.occurred_at = a.occurred_at AND e.partner_id = a.partner_id
    WHERE a.partner_id = coalesce(k.partner_id, :partner_id) AND (:partner_id IS NULL OR a.partner_id = :partner_id)
        AND a.operation = :operation
        AND a.idempotency_key = ANY (ARRAY[i.idempotency_key, i.old_key])
    LIMIT 1
) AS m

-- name: count_conflicts
SELECT i.ticket_code, n.conflicts
FROM unnest(:ticket_codes::text[], :partner_ids::bigint[]) AS i (ticket_code, partner_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS conflicts
    FROM (
        SELECT FROM audit_events
        WHERE partner_id = i.partner_id AND partner_id = ANY (:partner_ids) AND ticket_code = i.ticket_code AND event = :event
        LIMIT :conflicts_max
    ) AS conflicts_of_ticket
) AS n

-- name: record_conflicts
INSERT INTO audit_events (
    partner_id, event, actor, request_id, ticket_code, operation, idempotency_key, request_digest, data, occurred_at
)
SELECT partner_id, :event, actor, request_id, ticket_code, :operation, idempotency_key,
       decode(request_digest, 'hex'), data, both_clocks(:now)
FROM jsonb_to_recordset(:conflicts::jsonb) AS i (
    partner_id bigint, actor text, request_id text, ticket_code text, idempotency_key text, request_digest text,
    data jsonb
)
ORDER BY partner_id, idempotency_key

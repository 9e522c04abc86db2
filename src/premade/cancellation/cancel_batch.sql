-- name: batch_to_cancel
SELECT product_id, channel FROM batches WHERE partner_id = :partner_id AND batch_id = :batch_id
FOR NO KEY UPDATE

-- name: begin
INSERT INTO audit_events (
    partner_id, event, actor, request_id, batch_id, data, occurred_at, operation, idempotency_key, request_digest
)
VALUES (
    :partner_id, :event, :actor, :request_id, :batch_id,
    jsonb_strip_nulls(jsonb_build_object('reason', :reason::text, 'unmade', :unmade::integer)), both_clocks(:now),
    :operation, :idempotency_key, :request_digest
)
RETURNING event_id

-- name: wait_for_unused
SELECT ticket_code FROM pre_generated_tickets
-- The row comparison makes the planner read the index of batches. The index of codes would read all other batches too.
WHERE partner_id = :partner_id AND (batch_id, ticket_code) > (:batch_id, :after)
    AND batch_id <= :batch_id AND status = 'PRE_GENERATED'
ORDER BY batch_id, ticket_code LIMIT 1
FOR NO KEY UPDATE

-- name: cancel_unused
-- Skip tickets that a sale has locked. Write the allotment last: all requests for a product share its row.
WITH unused AS MATERIALIZED (
    SELECT ticket_id FROM pre_generated_tickets
    -- The row comparison makes the planner read the index of batches. The index of codes would read all other batches too.
    WHERE partner_id = :partner_id AND (batch_id, ticket_code) > (:batch_id, :after)
        AND batch_id <= :batch_id AND status = 'PRE_GENERATED'
    ORDER BY batch_id, ticket_code LIMIT :tickets_max
    FOR NO KEY UPDATE SKIP LOCKED
),
cancelled AS (
    UPDATE pre_generated_tickets t SET status = 'CANCELLED'
    FROM unused u WHERE t.ticket_id = u.ticket_id AND t.partner_id = :partner_id
    RETURNING t.ticket_code
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, request_id, batch_id, ticket_code, data, occurred_at)
    SELECT :partner_id, :event, :actor, :request_id, :batch_id, ticket_code,
           jsonb_build_object('reason', :reason::text, 'beginning', :beginning::bigint), both_clocks(:now)
    FROM cancelled
    RETURNING ticket_code
),
returned AS (
    UPDATE allotments a SET issued = a.issued - n.tickets
    FROM (SELECT count(*)::integer AS tickets FROM event) AS n
    WHERE a.product_id = :product_id AND a.channel = :channel AND n.tickets > 0
)
SELECT max(ticket_code) AS ticket_code FROM cancelled

-- name: count_by_state
SELECT t.status, e.event_id IS NOT NULL AS by_this, count(*) AS tickets
FROM pre_generated_tickets t
LEFT JOIN LATERAL (
    SELECT event_id FROM audit_events
    WHERE partner_id = :partner_id AND ticket_code = t.ticket_code AND t.status = 'CANCELLED'
        AND event = :event AND (data -> 'beginning')::bigint = :beginning
    -- A ticket must not count twice.
    LIMIT 1
) AS e ON true
WHERE t.partner_id = :partner_id AND t.batch_id = :batch_id
GROUP BY t.status, by_this
ORDER BY t.status

-- name: end
INSERT INTO audit_events (
    partner_id, event, actor, request_id, batch_id, data, occurred_at, operation, idempotency_key, request_digest
)
VALUES (
    :partner_id, :event, :actor, :request_id, :batch_id,
    jsonb_strip_nulls(
        jsonb_build_object(
            'reason', :reason::text, 'cancelled', :cancelled::bigint, 'left_alone', :left_alone::jsonb,
            'unmade', :unmade::integer
        )
    ),
    both_clocks(:now), :operation, :idempotency_key, :request_digest
)
RETURNING occurred_at

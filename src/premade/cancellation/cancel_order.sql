-- name: codes_of_order
SELECT ticket_codes FROM ota_orders WHERE partner_id = :partner_id AND order_id = :order_id

-- name: lock_tickets
-- Before the order, like the cancellation of a single ticket.
SELECT t.ticket_code, t.status, t.first_used_at, p.cancellation
FROM pre_generated_tickets t JOIN products p ON p.product_id = t.product_id
WHERE t.ticket_code = ANY (:ticket_codes::text[]) AND t.partner_id = :partner_id
ORDER BY t.ticket_code
FOR NO KEY UPDATE OF t

-- name: record
INSERT INTO audit_events (
    partner_id, event, actor, request_id, order_id, data, occurred_at, operation, idempotency_key, request_digest
)
VALUES (
    :partner_id, :event, :actor, :request_id, :order_id,
    jsonb_build_object('reason', :reason::text, 'ticket_codes', to_jsonb(:ticket_codes::text[])), both_clocks(:now),
    :operation, :idempotency_key, :request_digest
)
RETURNING occurred_at

-- name: cancel_tickets
-- The tickets and the order are locked. Write the allotments last, in one order: all requests for a product share its row.
WITH cancelled AS (
    UPDATE pre_generated_tickets t SET status = 'CANCELLED'
    FROM batches b
    WHERE t.ticket_code = ANY (:ticket_codes::text[]) AND t.partner_id = :partner_id
        AND b.partner_id = t.partner_id AND b.batch_id = t.batch_id
    RETURNING t.ticket_code, t.product_id, b.channel
),
marked AS (
    UPDATE ota_orders SET status = 'CANCELLED' WHERE partner_id = :partner_id AND order_id = :order_id
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at)
    SELECT :partner_id, :event, :actor, :request_id, ticket_code, :order_id,
           jsonb_build_object('reason', :reason::text, 'order_status', 'CANCELLED'), both_clocks(:now)
    FROM cancelled
    ORDER BY ticket_code
    RETURNING ticket_code
),
returned AS MATERIALIZED (
    SELECT a.product_id, a.channel, c.tickets
    FROM (
        SELECT product_id, channel, count(*)::integer AS tickets
        FROM cancelled JOIN event USING (ticket_code)
        GROUP BY product_id, channel
    ) AS c
    JOIN allotments a USING (product_id, channel)
    ORDER BY a.product_id, a.channel
    FOR NO KEY UPDATE OF a
)
UPDATE allotments a SET issued = a.issued - r.tickets
FROM returned r
WHERE a.product_id = r.product_id AND a.channel = r.channel

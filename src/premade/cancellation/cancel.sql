-- name: ticket_to_cancel
SELECT t.ticket_id, t.status, t.first_used_at, t.valid_until, t.order_id, b.channel, p.cancellation
FROM pre_generated_tickets t
JOIN batches b ON b.partner_id = t.partner_id AND b.batch_id = t.batch_id
JOIN products p ON p.product_id = t.product_id
WHERE t.ticket_code = :ticket_code AND t.partner_id = :partner_id
FOR NO KEY UPDATE OF t

-- name: lock_order
SELECT order_id FROM ota_orders WHERE partner_id = :partner_id AND order_id = :order_id FOR NO KEY UPDATE

-- name: cancel
-- The ticket and its order are locked. Write the allotment last: all requests for a product share its row.
WITH cancelled AS (
    UPDATE pre_generated_tickets SET status = 'CANCELLED'
    WHERE ticket_id = :ticket_id AND partner_id = :partner_id
    RETURNING ticket_code, product_id, order_id
),
marked AS (
    UPDATE ota_orders o
    SET status = CASE WHEN others.are_good THEN 'PARTLY_CANCELLED' ELSE 'CANCELLED' END
    FROM cancelled c
    JOIN ota_orders sale ON sale.partner_id = :partner_id AND sale.order_id = c.order_id
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM pre_generated_tickets t
            WHERE t.ticket_code = ANY (sale.ticket_codes) AND t.partner_id = :partner_id
                AND t.ticket_code <> c.ticket_code AND t.status <> 'CANCELLED'
        ) AS are_good
    ) AS others
    WHERE o.partner_id = :partner_id AND o.order_id = c.order_id
    RETURNING o.status
),
event AS (
    INSERT INTO audit_events (
        partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at, operation,
        idempotency_key, request_digest
    )
    SELECT :partner_id, :event, :actor, :request_id, c.ticket_code, c.order_id,
           jsonb_build_object('reason', :reason::text, 'order_status', m.status), both_clocks(:now), :operation,
           :idempotency_key, :request_digest
    FROM cancelled c LEFT JOIN marked m ON true
    RETURNING ticket_code, occurred_at
),
returned AS (
    UPDATE allotments a SET issued = a.issued - 1
    FROM cancelled c JOIN event USING (ticket_code)
    WHERE a.product_id = c.product_id AND a.channel = :channel
)
SELECT m.status AS order_status, event.occurred_at AS cancelled_at
FROM event LEFT JOIN marked m ON true

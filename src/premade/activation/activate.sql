-- name: activate
-- Activates however many tickets at once and answers one outcome for each. A ticket that another
-- transaction has locked is skipped, not waited for: its outcome is 'again', and so is that of a ticket
-- or key whose winner committed after this statement's snapshot was taken.
WITH input AS MATERIALIZED (
    SELECT i.*
    -- Set for this statement only, before it takes its first lock.
    FROM (SELECT set_config('lock_timeout', :lock_timeout_ms, true)) AS setting
    CROSS JOIN jsonb_to_recordset(:activations::jsonb) AS i (
        position integer, partner_id bigint, actor text, request_id text, ticket_code text,
        customer_name text, customer_email text, customer_phone text, payment_reference text,
        idempotency_key text, request_digest text
    )
),
made_before AS MATERIALIZED (
    SELECT i.position, o.order_id, o.customer_name, o.payment_reference, o.total_amount, o.currency, o.created_at,
           o.request_digest = decode(i.request_digest, 'hex') AS same_request
    FROM input i
    -- LIMIT makes it one look into the index for each, whatever the planner believes of a young table.
    CROSS JOIN LATERAL (
        SELECT * FROM ota_orders
        WHERE partner_id = i.partner_id AND operation = :operation AND idempotency_key = i.idempotency_key
        LIMIT 1
    ) AS o
),
locked AS MATERIALIZED (
    SELECT i.position, t.ticket_id, t.status, t.price, t.currency, t.valid_until, t.order_id
    FROM input i
    JOIN pre_generated_tickets t ON t.partner_id = i.partner_id AND t.ticket_code = i.ticket_code
    WHERE NOT EXISTS (SELECT FROM made_before m WHERE m.position = i.position)
    ORDER BY t.ticket_code
    FOR NO KEY UPDATE OF t SKIP LOCKED
),
sellable AS MATERIALIZED (
    SELECT *, row_number() OVER () AS place FROM locked
    WHERE status = 'PRE_GENERATED' AND (valid_until IS NULL OR valid_until >= :today)
),
clock AS MATERIALIZED (
    SELECT take_logical_ms('order_id_ms', count(*)) AS first_ms FROM sellable HAVING count(*) > 0
),
numbered AS MATERIALIZED (
    SELECT s.*, 'ORD-' || lpad((c.first_ms + s.place - 1)::text, 13, '0') AS new_order_id
    FROM sellable s CROSS JOIN clock c
),
sold AS (
    INSERT INTO ota_orders (
        order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference,
        total_amount, currency, operation, idempotency_key, request_digest, created_at
    )
    SELECT n.new_order_id, i.partner_id, i.customer_name, i.customer_email, i.customer_phone,
           i.payment_reference, n.price, n.currency, :operation, i.idempotency_key,
           decode(i.request_digest, 'hex'), :now
    FROM numbered n JOIN input i USING (position)
    -- One order of keys in every statement: two of them never wait for each other.
    ORDER BY i.partner_id, i.idempotency_key
    ON CONFLICT (partner_id, operation, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING order_id, partner_id
),
activated AS (
    UPDATE pre_generated_tickets t
    SET status = 'ACTIVE', activated_at = :now, order_id = s.order_id
    FROM sold s JOIN numbered n ON n.new_order_id = s.order_id
    WHERE t.partner_id = s.partner_id AND t.ticket_id = n.ticket_id
    RETURNING t.order_id
),
told AS (
    INSERT INTO audit_events (
        partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at
    )
    SELECT i.partner_id, :event, i.actor, i.request_id, i.ticket_code, a.order_id,
           jsonb_build_object('payment_reference', i.payment_reference), :now
    FROM activated a JOIN numbered n ON n.new_order_id = a.order_id JOIN input i USING (position)
)
SELECT i.position,
       CASE
           WHEN a.order_id IS NOT NULL THEN 'activated'
           WHEN m.same_request THEN 'replayed'
           WHEN m.order_id IS NOT NULL THEN 'key_reused'
           WHEN t.ticket_id IS NULL THEN 'unknown'
           WHEN l.position IS NULL OR n.position IS NOT NULL THEN 'again'
           WHEN l.order_id IS NOT NULL AND sale.order_id IS NULL THEN 'again'
           WHEN l.status IN ('PRE_GENERATED', 'EXPIRED') THEN 'expired'
           WHEN l.status = 'CANCELLED' THEN 'cancelled'
           ELSE 'already_activated'
       END AS outcome,
       coalesce(a.order_id, m.order_id, sale.order_id) AS order_id,
       coalesce(m.customer_name, i.customer_name) AS customer_name,
       coalesce(m.payment_reference, sale.payment_reference, i.payment_reference) AS payment_reference,
       coalesce(m.total_amount, l.price) AS total_amount,
       coalesce(m.currency, l.currency) AS currency,
       coalesce(m.created_at, sale.created_at, :now) AS activated_at,
       l.valid_until
FROM input i
LEFT JOIN made_before m ON m.position = i.position
LEFT JOIN pre_generated_tickets t ON t.partner_id = i.partner_id AND t.ticket_code = i.ticket_code
LEFT JOIN locked l ON l.position = i.position
LEFT JOIN numbered n ON n.position = i.position
LEFT JOIN activated a ON a.order_id = n.new_order_id
LEFT JOIN LATERAL (
    SELECT order_id, payment_reference, created_at FROM ota_orders
    WHERE partner_id = i.partner_id AND order_id = l.order_id
    LIMIT 1
) AS sale ON true
ORDER BY i.position

-- name: wait_for_ticket
SELECT ticket_id FROM pre_generated_tickets
WHERE partner_id = :partner_id AND ticket_code = :ticket_code
FOR NO KEY UPDATE

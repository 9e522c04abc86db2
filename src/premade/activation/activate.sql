-- name: activate
-- Activate any number of tickets and return one outcome for each. A ticket that another transaction has locked is skipped:
-- its outcome is 'again'. A ticket or key that a concurrent transaction took after this statement's snapshot has the same
-- outcome. 'partner_ids' has the partners of the activations. If the tables are spread by partner, and there is one partner, the
-- plan then reads one partition of each table.
WITH request AS MATERIALIZED (
    SELECT i.*, o.order_id AS earlier_order_id, o.customer_name AS earlier_customer_name,
           o.payment_reference AS earlier_payment_reference, o.total_amount AS earlier_total_amount,
           o.currency AS earlier_currency, o.created_at AS earlier_created_at,
           o.customer_email AS earlier_customer_email, o.customer_phone AS earlier_customer_phone,
           o.ticket_codes AS earlier_ticket_codes, o.request_digest AS earlier_digest,
           o.customer_erased_at AS earlier_customer_erased_at,
           t.ticket_id, t.status, t.price, t.currency, t.valid_until, t.order_id, t.usable_days, t.usable_until,
           t.status = 'PRE_GENERATED' AND (t.valid_until IS NULL OR t.valid_until >= both_days(:today, :zone)) AS is_sellable
    FROM (
        SELECT i.*
        -- Set for this statement only, before it takes its first lock.
        FROM (SELECT set_config('lock_timeout', :lock_timeout_ms, true)) AS setting
        CROSS JOIN jsonb_to_recordset(:activations::jsonb) AS i (
            position integer, partner_id bigint, actor text, request_id text, ticket_code text,
            customer_name text, customer_email text, customer_phone text, payment_reference text,
            names_customer boolean, idempotency_key text, request_digest text
        )
        -- Lock in code order. Two concurrent statements then cannot deadlock.
        ORDER BY i.ticket_code
    ) AS i
    LEFT JOIN LATERAL (
        SELECT * FROM ota_orders
        WHERE partner_id = i.partner_id AND partner_id = ANY (:partner_ids::bigint[])
            AND operation = :operation AND idempotency_key = i.idempotency_key
    ) AS o ON true
    LEFT JOIN LATERAL (
        SELECT * FROM pre_generated_tickets
        WHERE ticket_code = i.ticket_code AND partner_id = i.partner_id AND partner_id = ANY (:partner_ids)
            AND o.order_id IS NULL
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS t ON true
),
clock AS MATERIALIZED (
    SELECT take_logical_ms('order_id_ms', count(*)) AS first_ms
    FROM request WHERE is_sellable HAVING count(*) > 0
),
numbered AS MATERIALIZED (
    SELECT a.*, CASE WHEN is_sellable THEN 'ORD-' || lpad((c.first_ms + a.place - 1)::text, 13, '0') END AS new_order_id
    FROM (
        SELECT *, count(*) FILTER (WHERE is_sellable) OVER (ROWS UNBOUNDED PRECEDING) AS place FROM request
    ) AS a
    LEFT JOIN clock c ON true
),
sold AS (
    INSERT INTO ota_orders (
        order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference,
        total_amount, currency, ticket_codes, operation, idempotency_key, request_digest, created_at
    )
    SELECT new_order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference, price,
           currency, ARRAY[ticket_code], :operation, idempotency_key, decode(request_digest, 'hex'), both_clocks(:now)
    FROM numbered WHERE new_order_id IS NOT NULL
    -- Insert in key order. Two concurrent statements then cannot deadlock.
    ORDER BY partner_id, idempotency_key
    ON CONFLICT (partner_id, operation, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING order_id
),
activated AS (
    UPDATE pre_generated_tickets t
    SET status = 'ACTIVE', activated_at = both_clocks(:now), order_id = n.new_order_id,
        usable_until = CASE WHEN n.usable_days IS NULL THEN n.usable_until ELSE both_days(:today, :zone) + n.usable_days END
    FROM numbered n
    -- 'IS TRUE' makes PostgreSQL use a hash table. A join would compare all rows with all.
    WHERE t.ticket_id = n.ticket_id AND t.partner_id = n.partner_id AND t.partner_id = ANY (:partner_ids)
        AND (n.new_order_id IN (SELECT order_id FROM sold)) IS TRUE
    RETURNING t.order_id
),
event AS (
    INSERT INTO audit_events (
        partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at
    )
    SELECT partner_id, :event, actor, request_id, ticket_code, new_order_id,
           -- An event cannot be erased, so it has no reference that names the customer.
           jsonb_build_object('payment_reference', CASE WHEN NOT names_customer THEN payment_reference END), both_clocks(:now)
    FROM numbered WHERE (new_order_id IN (SELECT order_id FROM activated)) IS TRUE
)
SELECT n.position,
       CASE
           WHEN n.is_done THEN 'activated'
           WHEN n.earlier_order_id IS NOT NULL THEN 'key_used'
           WHEN n.ticket_id IS NULL AND known.ticket_id IS NULL THEN 'unknown'
           WHEN n.ticket_id IS NULL OR n.new_order_id IS NOT NULL THEN 'again'
           WHEN n.order_id IS NOT NULL AND sale.order_id IS NULL THEN 'again'
           WHEN n.status IN ('PRE_GENERATED', 'EXPIRED') THEN 'expired'
           WHEN n.status = 'CANCELLED' THEN 'cancelled'
           ELSE 'already_activated'
       END AS outcome,
       CASE WHEN n.is_done THEN n.new_order_id ELSE coalesce(n.earlier_order_id, sale.order_id) END AS order_id,
       coalesce(n.earlier_customer_name, n.customer_name) AS customer_name,
       n.earlier_customer_email AS customer_email, n.earlier_customer_phone AS customer_phone,
       n.earlier_ticket_codes AS ticket_codes, n.earlier_digest AS request_digest, n.earlier_customer_erased_at AS customer_erased_at,
       coalesce(n.earlier_payment_reference, sale.payment_reference, n.payment_reference) AS payment_reference,
       coalesce(n.earlier_total_amount, n.price) AS total_amount,
       coalesce(n.earlier_currency, n.currency) AS currency,
       coalesce(n.earlier_created_at, sale.created_at, both_clocks(:now)) AS activated_at,
       n.valid_until
FROM (
    SELECT *, (new_order_id IN (SELECT order_id FROM activated)) IS TRUE AS is_done FROM numbered
) AS n
LEFT JOIN LATERAL (
    SELECT ticket_id FROM pre_generated_tickets
    WHERE ticket_code = n.ticket_code AND partner_id = n.partner_id AND partner_id = ANY (:partner_ids)
        AND n.ticket_id IS NULL AND n.earlier_order_id IS NULL
    -- LIMIT lets PostgreSQL check the line above first. Without it, each activation looks its ticket up once more.
    LIMIT 1
) AS known ON true
LEFT JOIN LATERAL (
    SELECT order_id, payment_reference, created_at FROM ota_orders
    WHERE partner_id = n.partner_id AND order_id = n.order_id AND partner_id = ANY (:partner_ids)
) AS sale ON true
ORDER BY n.position

-- name: wait_for_ticket
SELECT ticket_id FROM pre_generated_tickets
WHERE partner_id = :partner_id AND ticket_code = :ticket_code
FOR NO KEY UPDATE

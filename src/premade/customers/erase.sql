-- name: wait_for_turn
-- One transaction at a time erases. Each locks several orders, in different orders of keys.
SELECT pg_advisory_xact_lock(:lock::bigint) AS mine

-- name: try_turn
SELECT pg_try_advisory_xact_lock(:lock::bigint) AS mine

-- name: lock_orders_of_email
SELECT order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference, idempotency_key
FROM ota_orders
WHERE hashtextextended(lower(customer_email), 0) = ANY (ARRAY(SELECT hashtextextended(lower(e), 0) FROM unnest(:emails::text[]) AS e))
    AND lower(customer_email) = ANY (ARRAY(SELECT lower(e) FROM unnest(:emails) AS e)) AND customer_erased_at IS NULL
ORDER BY created_at
LIMIT :rows
FOR NO KEY UPDATE

-- name: lock_orders
SELECT order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference, idempotency_key
FROM ota_orders
WHERE order_id = ANY (:order_ids::text[]) AND customer_erased_at IS NULL
ORDER BY partner_id, order_id
FOR NO KEY UPDATE

-- name: erase
-- The digest of the request was made of the customer's data too. A retry is then recognized without them.
WITH erased AS (
    UPDATE ota_orders o
    SET customer_name = :name, customer_email = :email, customer_phone = :phone, payment_reference = e.payment_reference,
        idempotency_key = nullif(e.idempotency_key, ''), request_digest = '', customer_erased_at = both_clocks(:now)
    FROM unnest(:partner_ids::bigint[], :order_ids::text[], :payment_references::text[], :idempotency_keys::text[])
        AS e (partner_id, order_id, payment_reference, idempotency_key)
    WHERE o.partner_id = e.partner_id AND o.order_id = e.order_id AND o.partner_id = ANY (:partner_ids)
    RETURNING o.partner_id, o.order_id, o.ticket_codes
)
INSERT INTO audit_events (partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at)
SELECT partner_id, :event, :actor, :request_id, ticket_codes[1], order_id,
       jsonb_strip_nulls(jsonb_build_object('cause', :cause::text, 'client_ip', :client_ip::text)), both_clocks(:now)
FROM erased

-- name: erased_orders
-- A portion of all orders, by id: the last one is returned even if its customer is not erased. The next portion begins there.
WITH rows_read AS (
    SELECT partner_id, order_id, customer_erased_at, row_number() OVER (ORDER BY order_id) AS place
    FROM ota_orders
    WHERE order_id > :after
    ORDER BY order_id
    LIMIT :rows_read_max
)
SELECT order_id, customer_erased_at, place FROM rows_read
WHERE customer_erased_at >= :since OR place = :rows_read_max
ORDER BY order_id

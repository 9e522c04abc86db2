-- name: orders_of_email
-- By the 64 bits that the index has, and then by the whole: two addresses may share the bits. Orders whose customer is erased have
-- another address.
SELECT o.order_id, o.partner_id, p.name AS partner, o.status, o.customer_name, o.customer_email, o.customer_phone,
       o.payment_reference, o.total_amount, o.currency, o.created_at, o.ticket_codes
FROM ota_orders o
JOIN partners p ON p.partner_id = o.partner_id
WHERE hashtextextended(lower(o.customer_email), 0) = ANY (ARRAY(SELECT hashtextextended(lower(e), 0) FROM unnest(:emails::text[]) AS e))
    AND lower(o.customer_email) = ANY (ARRAY(SELECT lower(e) FROM unnest(:emails) AS e)) AND o.customer_erased_at IS NULL
ORDER BY o.created_at, o.order_id
LIMIT :rows

-- name: count_orders_of_email
SELECT count(*) AS orders, count(DISTINCT partner_id) AS partners, min(created_at) AS first_at, max(created_at) AS last_at
FROM ota_orders
WHERE hashtextextended(lower(customer_email), 0) = ANY (ARRAY(SELECT hashtextextended(lower(e), 0) FROM unnest(:emails::text[]) AS e))
    AND lower(customer_email) = ANY (ARRAY(SELECT lower(e) FROM unnest(:emails) AS e)) AND customer_erased_at IS NULL

-- name: tickets_of_orders
SELECT t.order_id, t.ticket_code, r.name AS product, t.status, t.entitlements, t.price, t.currency, t.usable_until,
       t.activated_at, t.first_used_at
FROM pre_generated_tickets t
JOIN products r ON r.product_id = t.product_id
WHERE t.ticket_code = ANY (:ticket_codes::text[]) AND t.partner_id = ANY (:partner_ids::bigint[])
ORDER BY t.ticket_code

-- name: uses_of_tickets
SELECT ticket_code, occurred_at, data ->> 'function_code' AS function_code, (data ->> 'uses')::integer AS uses,
       data ->> 'device_id' AS device_id
FROM audit_events
WHERE partner_id = ANY (:partner_ids::bigint[]) AND ticket_code = ANY (:ticket_codes::text[]) AND event = :event
    -- So the months before are not read.
    AND occurred_at >= :since
ORDER BY ticket_code, event_id

-- name: record_exports
INSERT INTO audit_events (partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at)
SELECT o.partner_id, :event, :actor, :request_id, o.ticket_codes[1], o.order_id,
       jsonb_strip_nulls(jsonb_build_object('client_ip', :client_ip::text)), both_clocks(:now)
FROM ota_orders o
WHERE o.partner_id = ANY (:partner_ids::bigint[]) AND o.order_id = ANY (:order_ids::text[])

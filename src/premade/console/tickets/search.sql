-- name: orders_of_email
-- By the 64 bits that the index has, and then by the whole: two addresses may share the bits.
SELECT o.order_id, o.partner_id, o.status, o.customer_name, o.payment_reference, o.total_amount, o.currency,
       o.created_at, cardinality(o.ticket_codes) AS tickets, p.name AS partner
FROM ota_orders o
JOIN partners p ON p.partner_id = o.partner_id
WHERE hashtextextended(lower(o.customer_email), 0) = hashtextextended(lower(:value), 0)
    AND lower(o.customer_email) = lower(:value)
ORDER BY o.created_at DESC
LIMIT :rows

-- name: orders_of_phone
-- First by the digits in the index, then by the whole number or by all digits that were typed.
SELECT o.order_id, o.partner_id, o.status, o.customer_name, o.customer_phone, o.payment_reference, o.total_amount, o.currency,
       o.created_at, cardinality(o.ticket_codes) AS tickets, p.name AS partner
FROM ota_orders o
JOIN partners p ON p.partner_id = o.partner_id
WHERE right(o.customer_phone, 7) = right(:value::text, 7) AND right(o.customer_phone, length(:value)) = :value
ORDER BY o.created_at DESC
LIMIT :rows

-- name: orders_of_payment
-- As the index has them, one partner after another: a reference may repeat as often as a partner likes.
SELECT o.order_id, o.partner_id, o.status, o.customer_name, o.payment_reference, o.total_amount, o.currency,
       o.created_at, cardinality(o.ticket_codes) AS tickets, p.name AS partner
FROM ota_orders o
JOIN partners p ON p.partner_id = o.partner_id
WHERE o.payment_reference = :value
ORDER BY o.partner_id + 0 DESC, o.order_id || '' DESC
LIMIT :rows

-- name: tickets_of_order
SELECT t.ticket_code, t.status, t.price, t.currency, t.entitlements, t.batch_id, r.name AS product
FROM pre_generated_tickets t
JOIN products r ON r.product_id = t.product_id
WHERE t.ticket_code = ANY(:ticket_codes) AND t.partner_id = :partner_id
ORDER BY t.ticket_code

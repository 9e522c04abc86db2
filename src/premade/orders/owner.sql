-- name: partner_of_ticket
SELECT t.partner_id, p.name AS partner, p.is_test, r.name AS product
FROM pre_generated_tickets t
JOIN partners p ON p.partner_id = t.partner_id
JOIN products r ON r.product_id = t.product_id
WHERE t.ticket_code = :ticket_code

-- name: partner_of_order
SELECT o.partner_id, p.name AS partner, p.is_test
FROM ota_orders o
JOIN partners p ON p.partner_id = o.partner_id
WHERE o.order_id = :order_id

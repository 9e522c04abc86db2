-- name: customer_phone
SELECT o.customer_phone
FROM pre_generated_tickets t
JOIN ota_orders o ON o.partner_id = t.partner_id AND o.order_id = t.order_id
WHERE t.ticket_code = :ticket_code AND (:partner_id::bigint IS NULL OR t.partner_id = :partner_id)

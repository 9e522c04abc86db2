-- name: order_by_id
SELECT o.order_id, o.status, o.customer_name, o.customer_email, o.customer_phone, o.payment_reference,
       o.total_amount, o.currency, o.created_at, o.ticket_codes
FROM ota_orders o
WHERE o.partner_id = :partner_id AND o.order_id = :order_id

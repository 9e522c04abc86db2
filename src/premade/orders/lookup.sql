-- name: order_by_id
SELECT o.order_id, o.status, o.customer_name, o.customer_email, o.customer_phone, o.payment_reference,
       o.total_amount, o.currency, o.created_at,
       (
           SELECT jsonb_agg(t.ticket_code ORDER BY t.ticket_code) FROM pre_generated_tickets t
           WHERE t.partner_id = o.partner_id AND t.order_id = o.order_id
       ) AS ticket_codes
FROM ota_orders o
WHERE o.partner_id = :partner_id AND o.order_id = :order_id

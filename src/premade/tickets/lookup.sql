-- name: ticket_by_code
SELECT t.ticket_code, t.qr_code, t.status, t.entitlements, t.product_id, t.batch_id, t.issue_number, t.price,
       t.currency, t.valid_until, t.usable_until, t.first_used_at, t.created_at, t.activated_at, t.order_id
FROM pre_generated_tickets t
WHERE t.partner_id = :partner_id AND t.ticket_code = :ticket_code

-- name: last_sale
SELECT created_at FROM ota_orders WHERE partner_id = :partner_id ORDER BY order_id DESC LIMIT 1

-- name: unused
SELECT ticket_code, product_id FROM pre_generated_tickets
WHERE partner_id = :partner_id AND status = 'PRE_GENERATED' AND (valid_until IS NULL OR valid_until > :last_day)
ORDER BY created_at, ticket_id

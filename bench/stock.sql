-- name: batches
INSERT INTO batches (
    partner_id, batch_id, product_id, channel, quantity, entitlements, price, currency, signing_key_id,
    request_digest, created_at
)
SELECT :partner_id::bigint, 'FILL-' || n, :product_id::bigint, :channel::text, 100, '[{"function_code": "ferry", "remaining_uses": 2}, {"function_code": "gift", "remaining_uses": 1}, {"function_code": "tokens", "remaining_uses": 10}]', 288, 'HKD',
       (SELECT key_id FROM signing_keys LIMIT 1), '', now() - interval '30 days'
FROM generate_series(:first::bigint / 100, (:first::bigint + :count::bigint - 1) / 100) AS n
ON CONFLICT DO NOTHING

-- name: tickets
-- As long as real ones: a token has about 140 characters, base64 makes 188 of them.
INSERT INTO pre_generated_tickets (
    ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, created_at
)
SELECT 'CRUISE-2025-FERRY-' || lpad(n::text, 13, '0'), :partner_id::bigint, :product_id::bigint, 'FILL-' || n / 100,
       left(repeat(md5(n::text) || md5((-n)::text), 3), 188),
       '[{"function_code": "ferry", "remaining_uses": 2}, {"function_code": "gift", "remaining_uses": 1}, {"function_code": "tokens", "remaining_uses": 10}]', 288, 'HKD', now() - interval '30 days'
FROM generate_series(:first::bigint, :first::bigint + :count::bigint - 1) AS n

-- name: activated
-- How many of these are sold.
SELECT count(*) AS tickets FROM pre_generated_tickets
WHERE partner_id = :partner_id::bigint AND status = 'ACTIVE'
    AND ticket_code BETWEEN 'CRUISE-2025-FERRY-' || lpad(:first::text, 13, '0')
        AND 'CRUISE-2025-FERRY-' || lpad((:first::bigint + :count::bigint - 1)::text, 13, '0')

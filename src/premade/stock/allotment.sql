-- name: set_allotment
INSERT INTO allotments (product_id, channel, allotted)
VALUES (:product_id, :channel, :quantity)
ON CONFLICT (product_id, channel) DO UPDATE SET allotted = excluded.allotted
WHERE NOT :is_expected::boolean OR allotments.allotted = :expected::bigint
RETURNING product_id, channel, allotted, issued, held, allotted - issued - held AS available

-- name: list_allotments
SELECT s.product_id, s.channel, c.is_test, s.allotted, s.issued, s.held, s.available
FROM stock_at(:now) s
JOIN channels c USING (channel)
WHERE :product_ids::bigint[] IS NULL OR s.product_id = ANY(:product_ids)
ORDER BY s.product_id, s.channel

-- name: inventory_of_partner
SELECT s.product_id, p.name, p.price, p.currency, s.allotted, s.issued, s.held, s.available
FROM partners
JOIN stock_at(:now) s USING (channel)
JOIN products p USING (product_id)
WHERE partners.partner_id = :partner_id AND s.product_id > coalesce(:after_product_id, 0)
    AND (:product_ids::bigint[] IS NULL OR s.product_id = ANY(:product_ids))
ORDER BY s.product_id
LIMIT :rows

-- name: products_of_partner
SELECT p.product_id, p.name, p.ticket_type, p.code_prefix, p.price, p.currency, p.usable_days, p.usable_until,
       p.cancellation, p.names,
       (
           SELECT jsonb_agg(
               jsonb_build_object('function_code', f.function_code, 'uses', f.uses, 'names', coalesce(n.names, '{}')) ORDER BY f.position
           )
           FROM product_functions f LEFT JOIN function_names n USING (function_code) WHERE f.product_id = p.product_id
       ) AS functions
FROM partners
JOIN allotments a USING (channel)
JOIN products p USING (product_id)
WHERE partners.partner_id = :partner_id AND a.product_id > coalesce(:after_product_id, 0)
ORDER BY a.product_id
LIMIT :rows

-- name: set_allotment
INSERT INTO allotments (product_id, channel, allotted)
VALUES (:product_id, :channel, :quantity)
ON CONFLICT (product_id, channel) DO UPDATE SET allotted = excluded.allotted
WHERE NOT :is_seen::boolean OR allotments.allotted = :seen::bigint
RETURNING product_id, channel, allotted, issued, held, allotted - issued - held AS available

-- name: list_allotments
-- What has expired is no longer held, whether or not anybody has come by to give it back.
SELECT a.product_id, a.channel, c.is_test, a.allotted, a.issued, a.held - expired.held AS held,
       a.allotted - a.issued - a.held + expired.held AS available
FROM allotments a
JOIN channels c USING (channel)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.quantity - h.taken), 0)::integer AS held
    FROM reservations h
    WHERE h.product_id = a.product_id AND h.channel = a.channel AND h.ended_at IS NULL AND h.expires_at <= both_clocks(:now)
) AS expired
WHERE :product_ids::bigint[] IS NULL OR a.product_id = ANY(:product_ids)
ORDER BY a.product_id, a.channel

-- name: inventory_of_partner
-- A reservation that has expired holds nothing, also while its hold was not given back yet.
SELECT a.product_id, p.name, p.price, p.currency, a.allotted, a.issued, a.held - over.tickets AS held,
       a.allotted - a.issued - a.held + over.tickets AS available
FROM partners
JOIN allotments a USING (channel)
JOIN products p USING (product_id)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.quantity - r.taken), 0) AS tickets FROM reservations r
    WHERE r.product_id = a.product_id AND r.channel = a.channel AND r.ended_at IS NULL AND r.expires_at <= both_clocks(:now)
) AS over
WHERE partners.partner_id = :partner_id AND a.product_id > coalesce(:after_product_id, 0)
    AND (:product_ids::bigint[] IS NULL OR a.product_id = ANY(:product_ids))
ORDER BY a.product_id
LIMIT :rows

-- name: products_of_partner
SELECT p.product_id, p.name, p.ticket_type, p.code_prefix, p.price, p.currency, p.usable_days, p.usable_until,
       p.cancellation,
       (
           SELECT jsonb_agg(jsonb_build_object('function_code', f.function_code, 'uses', f.uses) ORDER BY f.position)
           FROM product_functions f WHERE f.product_id = p.product_id
       ) AS functions
FROM partners
JOIN allotments a USING (channel)
JOIN products p USING (product_id)
WHERE partners.partner_id = :partner_id AND a.product_id > coalesce(:after_product_id, 0)
ORDER BY a.product_id
LIMIT :rows

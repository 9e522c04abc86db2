-- name: set_allotment
INSERT INTO allotments (product_id, channel, allotted)
VALUES (:product_id, :channel, :quantity)
ON CONFLICT (product_id, channel) DO UPDATE SET allotted = excluded.allotted
RETURNING product_id, channel, allotted, issued, held, allotted - issued - held AS available

-- name: list_allotments
-- What has expired is no longer held, whether or not anybody has come by to give it back.
SELECT a.product_id, a.channel, a.allotted, a.issued, a.held - expired.held AS held,
       a.allotted - a.issued - a.held + expired.held AS available
FROM allotments a
CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.quantity - h.taken), 0)::integer AS held
    FROM reservations h
    WHERE h.product_id = a.product_id AND h.channel = a.channel AND h.ended_at IS NULL AND h.expires_at <= :now
) AS expired
ORDER BY a.product_id, a.channel

-- name: inventory_of_partner
SELECT a.product_id, p.name, p.price, p.currency, a.allotted, a.issued, a.held,
       a.allotted - a.issued - a.held AS available
FROM partners
JOIN allotments a USING (channel)
JOIN products p USING (product_id)
WHERE partners.partner_id = :partner_id
ORDER BY a.product_id

-- name: set_allotment
INSERT INTO allotments (product_id, channel, allotted)
VALUES (:product_id, :channel, :quantity)
ON CONFLICT (product_id, channel) DO UPDATE SET allotted = excluded.allotted
RETURNING product_id, channel, allotted, issued, held, allotted - issued - held AS available

-- name: list_allotments
SELECT product_id, channel, allotted, issued, held, allotted - issued - held AS available
FROM allotments ORDER BY product_id, channel

-- name: inventory_of_partner
SELECT a.product_id, p.name, p.price, p.currency, a.allotted, a.issued, a.held,
       a.allotted - a.issued - a.held AS available
FROM partners
JOIN allotments a USING (channel)
JOIN products p USING (product_id)
WHERE partners.partner_id = :partner_id
ORDER BY a.product_id

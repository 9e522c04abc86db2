-- name: take_turn
-- Requests of one partner that take stock run one after the other. The next statement sees all that were committed before.
SELECT pg_advisory_xact_lock(hashtextextended('stock of a partner', :partner_id))::text AS locked

-- name: stock_of_partner
-- What the partner has: of all products, and of one product in its channel. Stock of an expired reservation does not count.
SELECT t.unused + b.to_make AS unused, t.unused_of_product + b.to_make_of_product AS unused_of_product,
       r.open AS open_reservations, r.held AS held_of_product, coalesce(a.allotted, 0) AS allotted
FROM (
    SELECT coalesce(sum(unused), 0)::bigint AS unused,
           coalesce(sum(unused) FILTER (WHERE product_id = :product_id), 0)::bigint AS unused_of_product
    FROM (
        SELECT product_id, unused FROM ticket_totals WHERE partner_id = :partner_id
        UNION ALL
        SELECT product_id, unused_change FROM ticket_deltas WHERE partner_id = :partner_id
    ) AS counts
) AS t
CROSS JOIN (
    SELECT coalesce(sum(to_make), 0)::bigint AS to_make,
           coalesce(sum(to_make) FILTER (WHERE product_id = :product_id), 0)::bigint AS to_make_of_product
    -- As the index batches_being_made has it.
    FROM batches WHERE partner_id = :partner_id AND to_make + 0 > 0
) AS b
CROSS JOIN (
    SELECT count(*) AS open,
           coalesce(sum(quantity - taken) FILTER (WHERE product_id = :product_id), 0)::bigint AS held
    FROM reservations WHERE partner_id = :partner_id AND ended_at IS NULL AND expires_at > both_clocks(:now)
) AS r
LEFT JOIN allotments a ON a.product_id = :product_id AND a.channel = :channel

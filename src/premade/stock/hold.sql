-- name: wait_for_allotment
SELECT FROM allotments WHERE product_id = :product_id AND channel = :channel FOR NO KEY UPDATE

-- name: expire
-- The transaction has locked the allotment, so this statement sees the latest version of each reservation, and its place
-- (ctid) cannot change.
WITH ended AS (
    UPDATE reservations SET ended_at = both_clocks(:now), end_reason = 'expired'
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM reservations
        WHERE product_id = :product_id AND channel = :channel AND ended_at IS NULL AND expires_at <= both_clocks(:now)
        ORDER BY expires_at LIMIT :holds_max
    ))
    RETURNING reservation_id, partner_id, product_id, quantity - taken AS held
),
returned AS (
    UPDATE allotments a SET held = a.held - e.held
    FROM (SELECT sum(held)::integer AS held FROM ended) AS e
    WHERE e.held IS NOT NULL AND a.product_id = :product_id AND a.channel = :channel
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, data, occurred_at)
    SELECT partner_id, :event, :actor,
           jsonb_build_object('reservation_id', reservation_id, 'product_id', product_id, 'held', held), both_clocks(:now)
    FROM ended
)
SELECT reservation_id, product_id, held FROM ended

-- name: holds_of_product
SELECT r.reservation_id, p.name AS partner, p.is_test, r.channel, r.quantity, r.taken, r.quantity - r.taken AS held,
       r.created_at, r.expires_at
FROM reservations r JOIN partners p USING (partner_id)
WHERE r.product_id = :product_id AND r.ended_at IS NULL AND r.expires_at > both_clocks(:now)
ORDER BY r.expires_at, r.reservation_id LIMIT :holds_max

-- name: hold_to_release
SELECT r.reservation_id, r.partner_id, p.name AS partner, r.product_id, r.channel, r.quantity, r.taken,
       r.quantity - r.taken AS held, r.expires_at
FROM reservations r JOIN partners p USING (partner_id)
WHERE r.reservation_id = :reservation_id AND r.end_reason IS NULL AND r.expires_at > both_clocks(:now)

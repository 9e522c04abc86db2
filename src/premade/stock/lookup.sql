-- name: reservation_by_id
SELECT reservation_id, product_id, channel, quantity, taken, created_at, expires_at, end_reason,
       database_clock() AS database_now
FROM reservations WHERE partner_id = :partner_id AND reservation_id = :reservation_id

-- name: reservations_of_partner
-- A range of one index. In the order of ids alone, the planner could read all partners' reservations. 'S' sorts after all ids.
SELECT reservation_id, product_id, channel, quantity, taken, created_at, expires_at, end_reason,
       database_clock() AS database_now
FROM reservations
WHERE (partner_id, reservation_id) < (:partner_id, coalesce(:after_reservation_id, 'S')) AND partner_id >= :partner_id
ORDER BY partner_id DESC, reservation_id DESC LIMIT :rows_max

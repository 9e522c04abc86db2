-- name: position
SELECT last_order_id,
       -- A clock that was wrong must not stop the passes.
       coalesce(pass_ended_at BETWEEN database_clock() - :pause::interval AND database_clock() + :pause::interval, false) AS is_resting
FROM customer_retention

-- name: move
INSERT INTO customer_retention AS r (last_order_id, pass_ended_at)
VALUES (:last_order_id, CASE WHEN :is_end THEN database_clock() END)
ON CONFLICT (is_only) DO UPDATE
SET last_order_id = excluded.last_order_id, pass_ended_at = coalesce(excluded.pass_ended_at, r.pass_ended_at)

-- name: due_orders
-- A portion of all orders, by id, with whether none of its tickets can be used any more, or was used or cancelled, since a time. A
-- ticket that was never used and has no last day can always be used. The first use counts if the later ones are in the archive.
SELECT o.order_id,
       o.customer_erased_at IS NULL AND NOT EXISTS (
           SELECT FROM unnest(o.ticket_codes) AS c (ticket_code)
           JOIN pre_generated_tickets t ON t.ticket_code = c.ticket_code AND t.partner_id = o.partner_id
           WHERE CASE
               WHEN t.status = 'ACTIVE' AND t.usable_until IS NOT NULL
                   THEN (t.usable_until + 1)::timestamp AT TIME ZONE :zone
               WHEN t.status = 'ACTIVE' AND t.first_used_at IS NULL THEN 'infinity'
               ELSE greatest(t.first_used_at, t.activated_at, (
                   SELECT max(e.occurred_at) FROM audit_events e
                   WHERE e.partner_id = t.partner_id AND e.ticket_code = t.ticket_code AND e.event IN (:redeemed, :cancelled)
                       -- So the months before are not read.
                       AND e.occurred_at >= coalesce(t.first_used_at, t.activated_at)
               ))
           END > both_clocks(:now) - :kept::interval
       ) AS is_due
FROM (
    SELECT order_id, partner_id, ticket_codes, customer_erased_at FROM ota_orders
    WHERE order_id > :after AND order_id < :before
    ORDER BY order_id
    LIMIT :rows_read_max
) AS o
ORDER BY o.order_id

-- name: tickets
-- Test partners are left out: their tickets are nobody's.
SELECT p.name AS partner, f.product_id, sum(f.unused)::bigint AS unused, sum(f.activated)::bigint AS activated,
       coalesce(sum(f.unused) FILTER (WHERE f.last_day BETWEEN :today AND :soon), 0)::bigint AS expiring
FROM (
    SELECT partner_id, product_id, last_day, unused, 0 AS activated FROM ticket_totals
    UNION ALL
    SELECT partner_id, product_id, last_day, unused_change,
           CASE WHEN activated_span >= :since THEN activated ELSE 0 END
    FROM ticket_deltas
    UNION ALL
    -- Added up first: of the three this is the long one.
    SELECT partner_id, product_id, NULL, 0, sum(activated)::bigint
    FROM activation_spans WHERE span >= :since GROUP BY partner_id, product_id
) AS f
JOIN partners p USING (partner_id)
WHERE NOT p.is_test
GROUP BY p.name, f.product_id
ORDER BY p.name, f.product_id

-- name: stock
-- What has expired is available again, whether or not anybody has come by to give it back.
SELECT a.product_id, a.channel, a.allotted - a.issued - a.held + coalesce(expired.held, 0) AS available,
       coalesce(b.quantity, 0)::bigint AS issued_lately
FROM allotments a
JOIN channels c ON c.channel = a.channel AND NOT c.is_test
LEFT JOIN (
    SELECT product_id, channel, sum(quantity - taken) AS held
    FROM reservations WHERE ended_at IS NULL AND expires_at <= :now GROUP BY product_id, channel
) AS expired ON expired.product_id = a.product_id AND expired.channel = a.channel
LEFT JOIN (
    SELECT product_id, channel, sum(quantity - unmade) AS quantity
    FROM batches WHERE created_at >= :since GROUP BY product_id, channel
) AS b ON b.product_id = a.product_id AND b.channel = a.channel
ORDER BY a.product_id, a.channel

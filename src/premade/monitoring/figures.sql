-- name: tickets
-- Tickets by product of one partner, or of all live partners (NULL).
SELECT f.partner_id, p.name AS partner, f.product_id, f.unused, f.activated, f.expiring
FROM (
    -- Sum before the join with partners: sorting by their names is slow.
    SELECT partner_id, product_id, sum(unused)::bigint AS unused, sum(activated)::bigint AS activated,
           coalesce(sum(unused) FILTER (WHERE last_day BETWEEN :today AND :soon), 0)::bigint AS expiring
    FROM (
        SELECT partner_id, product_id, last_day, unused, 0 AS activated FROM ticket_totals
        UNION ALL
        SELECT partner_id, product_id, last_day, unused_change, CASE WHEN span >= :since THEN activated ELSE 0 END
        FROM ticket_deltas
        UNION ALL
        -- Group here already: this table has the most rows of the three.
        SELECT partner_id, product_id, NULL, 0, sum(activated)::bigint
        FROM activation_spans WHERE span >= :since GROUP BY partner_id, product_id
    ) AS sums
    GROUP BY partner_id, product_id
) AS f
JOIN partners p USING (partner_id)
WHERE CASE WHEN :partner_id::bigint IS NULL THEN NOT p.is_test ELSE p.partner_id = :partner_id END
ORDER BY p.name, f.product_id

-- name: stock
-- Stock of one partner's channel, or of all channels except test channels (NULL).
SELECT s.product_id, s.channel, s.available, coalesce(b.quantity, 0)::bigint AS issued_lately
FROM stock_at(:now) s
JOIN channels c ON c.channel = s.channel
LEFT JOIN (
    SELECT product_id, channel, sum(quantity - unmade) AS quantity
    FROM batches WHERE created_at >= :rate_since GROUP BY product_id, channel
) AS b ON b.product_id = s.product_id AND b.channel = s.channel
WHERE CASE
    WHEN :partner_id::bigint IS NULL THEN NOT c.is_test
    ELSE s.channel = (SELECT channel FROM partners WHERE partner_id = :partner_id)
END
ORDER BY s.product_id, s.channel

-- name: generated
-- Tickets generated in the last hour and the last day, by partner and product.
SELECT partner_id, product_id, sum(quantity - unmade)::bigint AS last_day,
       coalesce(sum(quantity - unmade) FILTER (WHERE created_at >= :hour_ago), 0)::bigint AS last_hour
FROM batches WHERE created_at >= :day_ago
GROUP BY partner_id, product_id

-- name: sales
-- Sales by day, and by product, both by currency. Rows that are not rolled up yet count too.
SELECT s.day, s.product_id, s.currency, sum(s.tickets)::bigint AS tickets, sum(s.amount) AS amount
FROM (
    SELECT day, partner_id, product_id, currency, tickets, amount
    FROM sales_days WHERE day BETWEEN :first AND :last
    UNION ALL
    SELECT d.day, d.partner_id, d.product_id, d.currency, d.activated, d.amount
    FROM (
        SELECT (span AT TIME ZONE :zone)::date AS day, partner_id, product_id, currency, activated, amount
        FROM ticket_deltas WHERE activated > 0 AND currency IS NOT NULL
    ) AS d
    WHERE d.day BETWEEN :first AND :last
) AS s
JOIN partners p USING (partner_id)
WHERE CASE WHEN :partner_id::bigint IS NULL THEN NOT p.is_test ELSE p.partner_id = :partner_id END
GROUP BY GROUPING SETS ((s.day, s.currency), (s.product_id, s.currency))
ORDER BY s.day, s.product_id, s.currency

-- name: gate_counts
-- The counts of one partner's gates, or of all gates (NULL). A count of the operator's own gates has no partner.
SELECT owner, device_id, code, sum(counted)::bigint AS counted, max(last_at) AS last_at
FROM gate_counts
WHERE day >= :since_day AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
GROUP BY owner, device_id, code
ORDER BY counted DESC, owner, device_id, code
LIMIT :rows_max

-- name: refusals
-- Refusals of one partner; or (NULL) of all live partners and of requests without a known partner.
SELECT r.day, r.code, sum(r.refused)::bigint AS refused
FROM refusal_days r
LEFT JOIN partners p USING (partner_id)
WHERE r.day BETWEEN :first AND :last
    AND CASE WHEN :partner_id::bigint IS NULL THEN p.is_test IS NOT TRUE ELSE p.partner_id = :partner_id END
GROUP BY r.day, r.code
ORDER BY r.day, r.code

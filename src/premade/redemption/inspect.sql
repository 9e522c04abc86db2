-- name: ticket_at_gate
SELECT t.ticket_code, t.status, t.issue_number, t.entitlements, t.usable_until, t.activated_at, t.first_used_at,
       both_days(:today, :zone) AS today,
       (SELECT r.is_test FROM partners r WHERE r.partner_id = t.partner_id) AS is_test, p.name AS product_name,
       CASE WHEN o.customer_erased_at IS NULL THEN o.customer_name END AS customer_name,
       last.device_id AS last_device_id, last.scan_id AS last_scan_id, last.occurred_at AS last_used_at
FROM pre_generated_tickets t
JOIN products p ON p.product_id = t.product_id
LEFT JOIN ota_orders o ON o.partner_id = t.partner_id AND o.order_id = t.order_id
LEFT JOIN LATERAL (
    SELECT data ->> 'device_id' AS device_id, data ->> 'scan_id' AS scan_id, occurred_at FROM audit_events
    WHERE partner_id = t.partner_id AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
        AND ticket_code = t.ticket_code AND event = :event
        -- No use is earlier, so earlier months are not read, and none for a ticket without a use.
        AND occurred_at >= t.first_used_at
    ORDER BY occurred_at DESC
    LIMIT 1
) AS last ON true
WHERE t.ticket_code = :ticket_code AND (:partner_id::bigint IS NULL OR t.partner_id = :partner_id)

-- name: moment
-- The snapshot of this transaction: every transaction below 'oldest_open' has ended, none from 'first_unseen' on is
-- seen. A database that was restored, copied or promoted has another incarnation. Where that could not be noticed, the
-- newest event that was seen tells: a restored record lacks it, or has another event of the same id.
SELECT current_incarnation()::text AS incarnation,
       pg_snapshot_xmin(now.snapshot)::text::bigint AS oldest_open,
       pg_snapshot_xmax(now.snapshot)::text::bigint AS first_unseen,
       coalesce(newest.event_id, 0) AS event_id, coalesce(newest.digest, '') AS event_digest
FROM (SELECT pg_current_snapshot() AS snapshot) AS now
LEFT JOIN LATERAL (
    SELECT event_id, left(md5(e::text), 16) AS digest FROM audit_events e
    WHERE event_id > 0 ORDER BY event_id DESC LIMIT 1
) AS newest ON true

-- name: event_digest
SELECT left(md5(e::text), 16) AS digest FROM audit_events e WHERE event_id = :event_id

-- name: active_tickets
SELECT ticket_code, status, issue_number, entitlements::text AS entitlements, usable_until::text AS usable_until
FROM pre_generated_tickets
WHERE status = 'ACTIVE'
    AND CASE
        WHEN :partner_id::bigint IS NULL THEN partner_id IN (SELECT partner_id FROM partners WHERE is_test = :is_test)
        ELSE partner_id = :partner_id
    END

-- name: changed_tickets
-- Also what transactions above 'oldest_open' did, as far as it is seen: it is told now, and by the next once more.
WITH told AS MATERIALIZED (
    -- Nothing about tickets here: a plan would go through the whole index of tickets instead.
    SELECT partner_id, ticket_code FROM audit_events
    WHERE transaction_id >= :since::xid8 AND transaction_id < :until::xid8
        AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
    -- None, unless the database was put back, unnoticed, to the time of the newest event that the cursor names.
    UNION ALL
    SELECT partner_id, ticket_code FROM audit_events
    WHERE event_id > :event_id AND transaction_id < :since::xid8
        AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
)
SELECT t.ticket_code, t.status, t.issue_number, t.entitlements::text AS entitlements,
       t.usable_until::text AS usable_until
FROM (SELECT DISTINCT partner_id, ticket_code FROM told WHERE ticket_code IS NOT NULL) AS named
CROSS JOIN LATERAL (
    SELECT ticket_code, status, issue_number, entitlements, usable_until FROM pre_generated_tickets
    WHERE ticket_code = named.ticket_code AND partner_id = named.partner_id
        AND (
            :partner_id::bigint IS NOT NULL
            OR (SELECT p.is_test FROM partners p WHERE p.partner_id = named.partner_id) = :is_test
        )
) AS t
-- The others were never listed.
WHERE t.status IN ('ACTIVE', 'USED', 'CANCELLED')

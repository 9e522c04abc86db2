-- name: moment
-- The snapshot of this transaction: every transaction below 'oldest_open' has ended, none from 'first_unseen' on is
-- seen. The timeline changes where a backup is restored, or a standby takes over: what it lacks is not known. A dump
-- that is restored in the same database makes its tables anew, with events of transactions that were told of long ago.
SELECT concat_ws(
           '.', s.system_identifier, d.oid, 'audit_events'::regclass::oid, left(pg_walfile_name(pg_current_wal_lsn()), 8)
       ) AS history,
       pg_snapshot_xmin(now.snapshot)::text::bigint AS oldest_open,
       pg_snapshot_xmax(now.snapshot)::text::bigint AS first_unseen
FROM pg_control_system() AS s
CROSS JOIN (SELECT pg_current_snapshot() AS snapshot) AS now
JOIN pg_database d ON d.datname = current_database()

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
)
SELECT t.ticket_code, t.status, t.issue_number, t.entitlements::text AS entitlements,
       t.usable_until::text AS usable_until
FROM (SELECT DISTINCT partner_id, ticket_code FROM told WHERE ticket_code IS NOT NULL) AS named
CROSS JOIN LATERAL (
    SELECT ticket_code, status, issue_number, entitlements, usable_until FROM pre_generated_tickets
    WHERE ticket_code = named.ticket_code AND partner_id + 0 = named.partner_id
        AND (
            :partner_id::bigint IS NOT NULL
            OR (SELECT p.is_test FROM partners p WHERE p.partner_id = named.partner_id) = :is_test
        )
    LIMIT 1
) AS t
-- The others were never listed.
WHERE t.status IN ('ACTIVE', 'USED', 'CANCELLED')

-- name: moment
-- The snapshot of this transaction. It contains no transaction from 'first_unseen' on, and all below 'oldest_open' have
-- ended. A database that was restored, copied or promoted has another incarnation. The newest event of the snapshot reveals
-- an undetected restore: the restored record lacks it, or has another event with the same id.
-- A replica has the incarnation of its primary, but not the files that the function compares.
SELECT CASE WHEN pg_is_in_recovery()
            THEN (SELECT incarnation_id FROM database_incarnation ORDER BY begun_at DESC LIMIT 1)
            ELSE current_incarnation()
       END::text AS incarnation,
       pg_snapshot_xmin(now.snapshot)::text::bigint AS oldest_open,
       pg_snapshot_xmax(now.snapshot)::text::bigint AS first_unseen,
       coalesce(newest.event_id, 0) AS event_id, coalesce(newest.digest, '') AS event_digest
FROM (SELECT pg_current_snapshot() AS snapshot) AS now
LEFT JOIN LATERAL (
    SELECT event_id, left(md5(e::text), 16) AS digest FROM audit_events e
    WHERE event_id > 0 ORDER BY event_id DESC LIMIT 1
) AS newest ON true

-- name: cursor_state
-- If the archive has events after the cursor, the changes since the cursor are incomplete.
SELECT coalesce((SELECT left(md5(e::text), 16) FROM audit_events e WHERE event_id = :event_id), '') AS event_digest,
       EXISTS (
           SELECT FROM audit_archives
           -- Transaction ids that this server has not assigned yet are from before a restore.
           WHERE last_transaction_id >= :oldest_open::xid8
               AND last_transaction_id < pg_snapshot_xmax(pg_current_snapshot())
       ) AS is_archived

-- name: active_tickets
SELECT ticket_code, status, issue_number, entitlements::text AS entitlements, usable_until::text AS usable_until
FROM pre_generated_tickets
WHERE status = 'ACTIVE'
    AND CASE
        WHEN :partner_id::bigint IS NULL THEN partner_id IN (SELECT partner_id FROM partners WHERE is_test = :is_test)
        ELSE partner_id = :partner_id
    END

-- name: changed_tickets
-- It includes committed transactions above 'oldest_open'. The next snapshot contains them once more.
WITH changed AS MATERIALIZED (
    -- No condition on tickets here: with one, a plan reads the whole index of tickets.
    SELECT partner_id, ticket_code FROM audit_events
    WHERE transaction_id >= :since::xid8 AND transaction_id < :until::xid8
        AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
    -- No row, unless the database was restored undetected to the time of the cursor's newest event.
    UNION ALL
    SELECT partner_id, ticket_code FROM audit_events
    WHERE event_id > :event_id AND transaction_id < :since::xid8
        AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
)
SELECT t.ticket_code, t.status, t.issue_number, t.entitlements::text AS entitlements,
       t.usable_until::text AS usable_until
FROM (SELECT DISTINCT partner_id, ticket_code FROM changed WHERE ticket_code IS NOT NULL) AS named
CROSS JOIN LATERAL (
    SELECT ticket_code, status, issue_number, entitlements, usable_until FROM pre_generated_tickets
    WHERE ticket_code = named.ticket_code AND partner_id = named.partner_id
        AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
        AND (
            :partner_id::bigint IS NOT NULL
            OR (SELECT p.is_test FROM partners p WHERE p.partner_id = named.partner_id) = :is_test
        )
) AS t
-- The other tickets were never in a snapshot.
WHERE t.status IN ('ACTIVE', 'USED', 'CANCELLED')

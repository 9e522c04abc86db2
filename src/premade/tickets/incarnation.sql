-- name: look
-- 'wal_bytes' only grows within an incarnation.
-- 'is_refreshed': the row has this start of the server, so the next check is only a comparison.
SELECT incarnation_if_confirmed() AS incarnation_id, i.*,
       CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_flush_lsn() - '0/0')::bigint END AS wal_bytes
FROM (SELECT) AS one_row
LEFT JOIN LATERAL (
    SELECT server_started_at = pg_postmaster_start_time() AS is_refreshed, marker,
           concat_ws(', ',
               CASE WHEN xmin <> written_in::xid THEN 'rows were written anew' END,
               CASE WHEN database_oid <> database_oid() THEN 'another database' END,
               CASE WHEN server = 'unknown' THEN 'no record of it before this version' END,
               CASE WHEN split_part(server, '.', 1) <> split_part(database_server(), '.', 1) THEN 'another server' END,
               CASE WHEN split_part(server, '.', 2) <> split_part(database_server(), '.', 2) THEN 'another timeline' END,
               CASE WHEN files_changed_at <> database_files_changed_at() THEN 'files were copied' END
           ) AS differences
    FROM database_incarnation
    ORDER BY begun_at DESC
    LIMIT 1
) AS i ON true

-- name: lock_incarnation
-- One process at a time. Readers are not blocked.
LOCK TABLE database_incarnation IN SHARE ROW EXCLUSIVE MODE

-- name: refresh
-- Same incarnation: the server was only restarted.
UPDATE database_incarnation
SET server_started_at = pg_postmaster_start_time(), written_in = pg_current_xact_id(),
    files_changed_at = coalesce(database_files_changed_at(), files_changed_at)

-- name: set_marker
UPDATE database_incarnation SET marker = :marker, written_in = pg_current_xact_id()

-- name: begin
SELECT begin_incarnation(:more_ms) AS incarnation_id

-- name: set_key_of_unfinished_batches
-- Their remaining tickets are signed with the new key: the live key or the test key.
UPDATE batches b SET signing_key_id = k.key_id
FROM signing_keys k
WHERE b.to_make + 0 > 0 AND k.key_id = ANY(:key_ids::text[]) AND left(k.key_id, 1) = left(b.signing_key_id, 1)

-- name: partitions_before
-- The partitions whose months are all earlier, oldest first. PostgreSQL cannot say that a column of a view is never NULL.
SELECT coalesce(table_name, '') AS table_name FROM audit_months WHERE ends_at <= :ends_at::timestamptz ORDER BY ends_at

-- name: partition_of
-- The partition that takes events of this period.
SELECT coalesce(table_name, '') AS table_name FROM audit_months WHERE starts_at < :ends_at::timestamptz AND ends_at > :starts_at::timestamptz LIMIT 1

-- name: may_move
-- Only the owner of a table may detach or drop one.
SELECT pg_has_role(relowner, 'usage') AS may FROM pg_class WHERE oid = 'audit_events'::regclass

-- name: is_spread
SELECT operator_partner() IS NOT NULL AS is_spread

-- name: take_turn
-- A lock of the session: one command at a time moves or restores months.
SELECT pg_try_advisory_lock(hashtextextended('premade archive', 0)) AS mine

-- name: earlier_of_both_clocks
SELECT both_clocks(:now::timestamptz) AS now

-- name: unfinished_batch
-- The oldest batch that is still being generated. The service reads from its first event who began it.
SELECT batch_id FROM batches WHERE to_make + 0 > 0 AND created_at < :ends_at ORDER BY created_at LIMIT 1

-- name: archived_months
SELECT month, rows, digest, archived_at FROM audit_archives ORDER BY month

-- name: record_archive
INSERT INTO audit_archives (month, ends_at, rows, last_transaction_id, digest, archived_at)
VALUES (:month, :ends_at, :rows, :last_transaction_id::text::xid8, :digest, both_clocks(:now))

-- name: create_audit_table
SELECT create_audit_table(:name)

-- name: forget_archive
DELETE FROM audit_archives WHERE month = :month

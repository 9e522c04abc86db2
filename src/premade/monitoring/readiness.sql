-- name: check_readiness
SELECT to_regclass('schema_migrations') IS NOT NULL AS is_migrated,
    pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS takes_no_writes,
    clock_timestamp() AS database_now

-- name: applied_migrations
SELECT name FROM schema_migrations

-- name: try_write
-- Check that there is disk space for a sale, and leave nothing behind. The numbers do not fit in 64 kB of memory, so they
-- go to a temporary file beside the tables. The message goes to the write-ahead log, and its commit waits for it.
SELECT pg_logical_emit_message(true, 'premade', 'ready?') IS NOT NULL AS is_logged, count(*) AS numbers
FROM generate_series(1, 10000 + 0 * length(set_config('work_mem', '64kB', true)))

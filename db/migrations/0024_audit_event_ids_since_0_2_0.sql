-- outside a transaction
-- The primary key of a partitioned table contains the column that it is partitioned by. Only version 0.1.0 needs the unique index
-- of keys: since 0.2.0, the trigger that writes audit_keys refuses a key that was used.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS audit_events_by_id_and_time ON audit_events (event_id, occurred_at);
DROP INDEX CONCURRENTLY IF EXISTS audit_idempotency_key_taken;

-- in batches
-- The keys of events from before the trigger. If version 0.1.0 repeated such a request meanwhile, the trigger noted an event that
-- the old unique index then left out; the key belongs to the event that exists.
WITH batch AS MATERIALIZED (
    SELECT event_id, partner_id, operation, idempotency_key, occurred_at FROM audit_events
    WHERE event_id > (SELECT last_event_id FROM audit_keys_progress)
    ORDER BY event_id LIMIT 1000
),
keyed AS (
    INSERT INTO audit_keys (partner_id, operation, idempotency_key, event_id, occurred_at)
    SELECT partner_id, operation, idempotency_key, event_id, occurred_at FROM batch
    WHERE idempotency_key IS NOT NULL AND partner_id IS NOT NULL
    ORDER BY partner_id, operation, idempotency_key
    ON CONFLICT (partner_id, operation, idempotency_key) DO UPDATE
        SET event_id = excluded.event_id, occurred_at = excluded.occurred_at
        WHERE audit_keys.event_id <> excluded.event_id
)
UPDATE audit_keys_progress SET last_event_id = (SELECT max(event_id) FROM batch)
WHERE EXISTS (SELECT FROM batch);

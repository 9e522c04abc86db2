-- name: event_of_key
-- The key is kept for ever; its event may be in the archive.
SELECT k.event_id, e.event_id IS NULL AS is_archived, e.ticket_code, e.batch_id, e.order_id, coalesce(e.data, '{}') AS data,
       k.occurred_at, e.request_digest
FROM audit_keys k
LEFT JOIN audit_events e ON e.event_id = k.event_id AND e.occurred_at = k.occurred_at AND e.partner_id = k.partner_id
WHERE k.partner_id = :partner_id AND k.operation = :operation AND k.idempotency_key = :idempotency_key

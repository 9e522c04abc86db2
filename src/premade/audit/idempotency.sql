-- name: event_of_key
SELECT e.event_id, e.ticket_code, e.batch_id, e.order_id, e.data, e.occurred_at, e.request_digest
FROM audit_keys k
JOIN audit_events e ON e.event_id = k.event_id AND e.occurred_at = k.occurred_at AND e.partner_id = k.partner_id
WHERE k.partner_id = :partner_id AND k.operation = :operation AND k.idempotency_key = :idempotency_key

-- name: event_of_key
SELECT event_id, ticket_code, batch_id, order_id, data, occurred_at, request_digest FROM audit_events
WHERE partner_id = :partner_id AND operation = :operation AND idempotency_key = :idempotency_key

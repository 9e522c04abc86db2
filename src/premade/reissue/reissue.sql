-- name: current_incarnation
SELECT current_incarnation() AS incarnation_id

-- name: ticket_to_reissue
SELECT ticket_id, status, first_used_at, valid_until, issue_number,
       coalesce(valid_until < both_days(:today, :zone), false) AS is_over,
       split_part(convert_from(decode(qr_code, 'base64'), 'UTF8'), ':', 4) AS signing_key_id
FROM pre_generated_tickets
WHERE ticket_code = :ticket_code AND partner_id = :partner_id
FOR NO KEY UPDATE

-- name: reissue
-- The event stores the whole response, because the ticket may change. A replay signs the token again from issue number and key.
WITH reissued AS (
    UPDATE pre_generated_tickets SET issue_number = :issue_number, qr_code = :qr_code
    WHERE ticket_id = :ticket_id AND partner_id = :partner_id
    RETURNING ticket_code, order_id, status, entitlements, issue_number
)
INSERT INTO audit_events (
    partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at, operation,
    idempotency_key, request_digest
)
SELECT :partner_id, :event, :actor, :request_id, r.ticket_code, r.order_id,
       jsonb_build_object(
           'reason', :reason::text, 'issue_number', r.issue_number, 'signing_key_id', :signing_key_id::text,
           'status', r.status, 'entitlements', r.entitlements
       ),
       both_clocks(:now), :operation, :idempotency_key, :request_digest
FROM reissued r
RETURNING data, occurred_at

-- name: record_qr_view
INSERT INTO audit_events (
    partner_id, event, actor, request_id, ticket_code, data, occurred_at, operation, idempotency_key, request_digest
)
VALUES (
    :partner_id, :event, :actor, :request_id, :ticket_code, jsonb_strip_nulls(jsonb_build_object('client_ip', :client_ip::text)),
    both_clocks(:now), :operation, :once, ''
)

-- name: record_customer_views
INSERT INTO audit_events (
    partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at, operation, idempotency_key, request_digest
)
SELECT o.partner_id, :event, :actor, :request_id, o.ticket_codes[1], o.order_id,
       jsonb_strip_nulls(jsonb_build_object('client_ip', :client_ip::text)), both_clocks(:now), :operation, viewed.once, ''
FROM unnest(:order_ids::text[], :once::text[]) AS viewed (order_id, once)
CROSS JOIN LATERAL (
    SELECT partner_id, order_id, ticket_codes FROM ota_orders WHERE order_id = viewed.order_id
) AS o

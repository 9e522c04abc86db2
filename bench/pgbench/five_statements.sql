-- One activation as an application would write it by itself: the order, the ticket and the audit event in a
-- transaction of five statements.
\set place :first + :client_id * :share + :n
\set n :n + 1
BEGIN;
SELECT ticket_id, status, price, currency FROM pre_generated_tickets WHERE partner_id = :partner_id::bigint AND ticket_code = 'CRUISE-2025-FERRY-' || lpad(:place::text, 13, '0') FOR NO KEY UPDATE;
INSERT INTO ota_orders (order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference, total_amount, currency, ticket_codes, operation, idempotency_key, request_digest, created_at) VALUES ('ORD-' || lpad(:place::text, 13, '0'), :partner_id::bigint, 'John Smith', 'john.smith.' || :place::text || '@example.com', '+1234567890', 'PAY-OTA-' || :place::text, 288.00, 'HKD', ARRAY['CRUISE-2025-FERRY-' || lpad(:place::text, 13, '0')], 'activate', reverse('bench-' || :place::text), decode('00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', 'hex'), now());
WITH sold AS (UPDATE pre_generated_tickets SET status = 'ACTIVE', activated_at = now(), order_id = 'ORD-' || lpad(:place::text, 13, '0') WHERE partner_id = :partner_id::bigint AND ticket_code = 'CRUISE-2025-FERRY-' || lpad(:place::text, 13, '0') RETURNING ticket_code, order_id) INSERT INTO audit_events (partner_id, event, actor, request_id, ticket_code, order_id, data, occurred_at) SELECT :partner_id::bigint, 'ticket.activated', 'key:1', 'bench-bench-bench-bench-' || :place::text, ticket_code, order_id, jsonb_build_object('payment_reference', 'PAY-OTA-' || :place::text), now() FROM sold;
COMMIT;

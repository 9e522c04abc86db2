\set n :n + 1
\set i :client_id * 1000000 + :n
BEGIN;
SELECT ticket_id, status, price, currency FROM pre_generated_tickets WHERE partner_id = :partner_id AND ticket_code = 'CRUISE-2025-FERRY-' || lpad((:first + :i)::text, 13, '0') FOR NO KEY UPDATE;
INSERT INTO ota_orders (order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference, total_amount, currency, operation, idempotency_key, request_digest, created_at) VALUES ('ORD-' || lpad((:first + :i)::text, 13, '0'), :partner_id, 'John Smith', 'john.smith.' || :i || '@example.com', '+1234567890', 'PAY-OTA-' || :i, 288.00, 'HKD', 'activate', 'bench-' || (:first + :i), decode('00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', 'hex'), now());
UPDATE pre_generated_tickets SET status = 'ACTIVE', activated_at = now(), order_id = 'ORD-' || lpad((:first + :i)::text, 13, '0') WHERE partner_id = :partner_id AND ticket_code = 'CRUISE-2025-FERRY-' || lpad((:first + :i)::text, 13, '0');
COMMIT;

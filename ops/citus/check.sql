-- List the codes and ids that two partners have. No row means that all are unique. See docs/scaling.md.
--
--     psql "$DATABASE_URL" --file ops/citus/check.sql
--
-- A spread table has no unique key over all partners. Run this every night, and after each restore.
SELECT 'ticket_code' AS of, ticket_code AS value, count(*) AS rows
FROM pre_generated_tickets GROUP BY ticket_code HAVING count(*) > 1
UNION ALL
SELECT 'ticket_id', ticket_id::text, count(*) FROM pre_generated_tickets GROUP BY ticket_id HAVING count(*) > 1
UNION ALL
SELECT 'order_id', order_id, count(*) FROM ota_orders GROUP BY order_id HAVING count(*) > 1
UNION ALL
SELECT 'event_id', event_id::text, count(*) FROM audit_events GROUP BY event_id HAVING count(*) > 1;

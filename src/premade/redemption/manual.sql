-- name: count_entry
-- The count of the span that this entry falls into, with it.
INSERT INTO manual_entries AS e (subject, span_began_at, entries) VALUES (:subject, both_clocks(:now), 1)
ON CONFLICT (subject) DO UPDATE
SET span_began_at = CASE WHEN e.span_began_at > both_clocks(:now) - :span::interval THEN e.span_began_at ELSE excluded.span_began_at END,
    entries = CASE WHEN e.span_began_at > both_clocks(:now) - :span::interval THEN e.entries + 1 ELSE 1 END
RETURNING entries, span_began_at

-- name: take_entries_back
-- The rows are locked already, by the same transaction.
UPDATE manual_entries SET entries = entries - 1 WHERE subject = ANY (:subjects)

-- name: forget_old
DELETE FROM manual_entries WHERE subject IN (
    SELECT subject FROM manual_entries WHERE span_began_at <= both_clocks(:now) - :span::interval
    ORDER BY span_began_at
    LIMIT :rows_max
    FOR UPDATE SKIP LOCKED
)

-- name: customer_phone
SELECT o.customer_phone
FROM pre_generated_tickets t
JOIN ota_orders o ON o.partner_id = t.partner_id AND o.order_id = t.order_id
WHERE t.ticket_code = :ticket_code AND (:partner_id::bigint IS NULL OR t.partner_id = :partner_id)

-- in batches
UPDATE pre_generated_tickets SET note = '' WHERE ticket_id IN (
    SELECT ticket_id FROM pre_generated_tickets
    WHERE note IS NULL AND ticket_id <= 50000
    ORDER BY ticket_id LIMIT 1000 FOR UPDATE
);

-- outside a transaction
-- Finds the rows for the next file.
CREATE INDEX CONCURRENTLY IF NOT EXISTS tickets_without_note ON pre_generated_tickets (ticket_id)
WHERE note IS NULL AND ticket_id <= 50000;

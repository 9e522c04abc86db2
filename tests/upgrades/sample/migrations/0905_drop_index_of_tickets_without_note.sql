-- outside a transaction
DROP INDEX CONCURRENTLY IF EXISTS tickets_without_note;

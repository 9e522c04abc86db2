-- in batches
-- The first pass adds the row. A dump of the data alone can then be loaded into a new schema.
DELETE FROM customer_retention WHERE is_only IN (
    SELECT is_only FROM customer_retention ORDER BY is_only LIMIT 500 FOR UPDATE
);

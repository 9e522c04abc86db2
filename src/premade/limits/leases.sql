-- name: lease
-- A bucket is stored as the time at which it is full again (GCRA). Each token puts this time off by `seconds_per_token`.
-- First the bucket gets `spent`: tokens that requests took in advance, or less than zero if a lease returns some. Then it
-- grants what it has, up to `requested`. A debt never exceeds a second bucket, so that requests pass again soon.
-- Lock in key order. Two concurrent statements then cannot deadlock.
WITH locked AS (
    SELECT key_id, operation_class, i.seconds_per_token, i.capacity, i.spent, i.requested,
           extract(epoch FROM b.full_at - database_clock())::double precision / i.seconds_per_token AS taken
    FROM unnest(
        :key_ids::bigint[], :operation_classes::text[], :seconds_per_token::double precision[], :capacities::bigint[],
        :spent::bigint[], :requested::bigint[]
    ) AS i (key_id, operation_class, seconds_per_token, capacity, spent, requested)
    JOIN rate_buckets b USING (key_id, operation_class)
    ORDER BY key_id, operation_class
    FOR UPDATE OF b
), paid AS (
    SELECT *, least(
        -- No bucket owes more than two buckets. One that seems to was written before the database's clock went back.
        greatest(CASE WHEN taken <= 2 * capacity + 1 THEN taken ELSE 0 END + least(spent, 0), 0) + greatest(spent, 0),
        2 * capacity
    ) AS owed
    FROM locked
), leased AS (
    -- The hundredth of a token makes up for the microseconds to which a time is rounded.
    SELECT *, least(greatest(floor(capacity - owed + 0.01), 0), requested) AS granted FROM paid
)
UPDATE rate_buckets AS b
SET full_at = database_clock() + (l.owed + l.granted) * l.seconds_per_token * interval '1 second'
FROM leased l
WHERE b.key_id = l.key_id AND b.operation_class = l.operation_class
RETURNING b.key_id, b.operation_class, l.granted::bigint AS granted, l.capacity - l.owed - l.granted AS left_over

-- name: add_buckets
-- A new bucket is full.
INSERT INTO rate_buckets (key_id, operation_class, full_at)
SELECT key_id, operation_class, database_clock()
FROM unnest(:key_ids::bigint[], :operation_classes::text[]) AS i (key_id, operation_class)
ORDER BY key_id, operation_class
ON CONFLICT DO NOTHING

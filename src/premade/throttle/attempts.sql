-- name: count_attempts
-- Insert in the order of the subjects. Two concurrent transactions then take row locks in the same order and cannot
-- deadlock. A window that has ended begins again with this attempt.
INSERT INTO attempts AS a (subject, ends_at, count)
SELECT i.subject, both_clocks(:now) + i.length, 1
FROM unnest(:subjects::bytea[], :lengths::interval[]) AS i (subject, length)
ORDER BY i.subject
ON CONFLICT (subject) DO UPDATE
SET ends_at = CASE WHEN a.ends_at > both_clocks(:now) THEN a.ends_at ELSE excluded.ends_at END,
    count = CASE WHEN a.ends_at > both_clocks(:now) THEN a.count + 1 ELSE 1 END
RETURNING subject, ends_at, count AS attempts

-- name: take_back
-- Lock in the same order as count_attempts. The attempt is not in the count of a window with another end.
WITH counted AS (
    SELECT a.subject
    FROM unnest(:subjects::bytea[], :ends::timestamptz[]) AS i (subject, ends_at)
    JOIN attempts a USING (subject, ends_at)
    ORDER BY a.subject FOR UPDATE OF a
)
UPDATE attempts SET count = count - 1 WHERE subject = ANY(ARRAY(SELECT subject FROM counted))

-- name: sweep
-- Skip rows that another transaction has locked. The next turn deletes them.
WITH swept AS (
    DELETE FROM attempts WHERE subject = ANY(ARRAY(
        SELECT subject FROM attempts WHERE ends_at <= both_clocks(:now)
        ORDER BY ends_at LIMIT :rows_max FOR UPDATE SKIP LOCKED
    ))
    RETURNING subject
)
SELECT count(*) AS swept FROM swept

-- name: store_run
-- About one process a minute writes. The others find a row that is new enough, and lock nothing.
INSERT INTO background_runs (job, ended_at, pause_seconds)
SELECT :job, database_clock(), :pause_seconds
WHERE NOT EXISTS (
    SELECT FROM background_runs WHERE job = :job AND ended_at BETWEEN database_clock() - :apart::interval AND database_clock()
)
ON CONFLICT (job) DO UPDATE SET ended_at = excluded.ended_at, pause_seconds = excluded.pause_seconds

-- name: background_runs
SELECT job, extract(epoch FROM database_clock() - ended_at)::double precision AS age_seconds, pause_seconds
FROM background_runs
ORDER BY job

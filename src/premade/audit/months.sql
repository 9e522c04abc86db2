-- name: create_months
-- Create the partitions of the current month and the next ones, by the database's clock. Return the months that had none. The lock
-- timeout limits how long requests wait behind this.
SELECT month.day
FROM (SELECT set_config('lock_timeout', :lock_timeout_ms, true)) AS setting
CROSS JOIN LATERAL (
    SELECT (date_trunc('month', database_clock() AT TIME ZONE 'UTC') + n * interval '1 month')::date AS day
    FROM generate_series(0, :ahead::integer) AS n
    -- This condition makes PostgreSQL set the lock timeout first.
    WHERE setting.set_config IS NOT NULL
) AS month
WHERE create_audit_month(month.day)

-- name: missing_months
-- The current month and the next ones without a partition: their events go into the default partition.
SELECT month.day
FROM (
    SELECT (date_trunc('month', database_clock() AT TIME ZONE 'UTC') + n * interval '1 month')::date AS day
    FROM generate_series(0, :ahead::integer) AS n
) AS month
WHERE NOT EXISTS (
    SELECT FROM audit_months m
    WHERE m.starts_at <= month.day AT TIME ZONE 'UTC' AND m.ends_at > month.day AT TIME ZONE 'UTC'
)
ORDER BY month.day

-- name: default_has_events
-- Events from before the first month are not late: the demo invents some.
SELECT EXISTS (
    SELECT FROM audit_events_default WHERE occurred_at >= (SELECT min(starts_at) FROM audit_months)
) AS has_events

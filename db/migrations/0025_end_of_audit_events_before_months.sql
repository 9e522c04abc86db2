-- The existing table becomes the first partition, up to this limit. The limit is at least a month ahead, in case the upgrade is
-- interrupted here. It depends on the day, so a DO block is needed.
DO $$
DECLARE
    limit_at CONSTANT timestamptz := date_trunc(
        'month', (greatest(now(), (SELECT max(occurred_at) FROM audit_events)) AT TIME ZONE 'UTC') + interval '2 months'
    ) AT TIME ZONE 'UTC';
BEGIN
    EXECUTE format(
        'ALTER TABLE audit_events ADD CONSTRAINT audit_events_before_months CHECK (occurred_at < timestamptz %L) NOT VALID', limit_at
    );
END
$$;

-- Rate limits: a token bucket for each API key and class of operation, from which workers lease tokens (ADR 51).
-- The table is unlogged: a lease then waits for no disk and no standby. After a crash or a failover all buckets are full.
CREATE UNLOGGED TABLE rate_buckets (
    -- The first key of the chain of rotations, so that a rotation gives no second bucket.
    key_id bigint,
    operation_class text,
    -- The time at which the bucket is full again if nobody takes a token.
    full_at timestamptz NOT NULL,
    CONSTRAINT rate_buckets_pkey PRIMARY KEY (key_id, operation_class)
) WITH (fillfactor = 50);

-- Limits of a partner that differ from the operator's settings. 0: no limit.
CREATE TABLE partner_limits (
    partner_id bigint,
    limit_name text,
    value bigint NOT NULL,
    CONSTRAINT partner_limits_pkey PRIMARY KEY (partner_id, limit_name),
    CONSTRAINT partner_limits_partner_exists FOREIGN KEY (partner_id) REFERENCES partners,
    CONSTRAINT partner_limits_value_not_negative CHECK (value >= 0)
);

-- The service changes both, with a role that may not own the tables.
DO $$
BEGIN
    PERFORM copy_rights('attempts', 'rate_buckets');
    PERFORM copy_rights('attempts', 'partner_limits');
END
$$;

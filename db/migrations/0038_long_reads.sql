-- Exports and snapshots of a partner that run now, over all workers and machines (ADR 58). Each has one of the partner's places
-- until `ends_at`. A worker renews this time, so that the place of a worker that crashed is free again soon.
-- The table is unlogged: a place waits for no disk and no standby. After a crash or a failover all places are free.
CREATE UNLOGGED TABLE long_reads (
    partner_id bigint,
    place integer,
    -- Random, for each export or snapshot.
    holder uuid NOT NULL,
    ends_at timestamptz NOT NULL,
    CONSTRAINT long_reads_pkey PRIMARY KEY (partner_id, place)
) WITH (fillfactor = 50);

DO $$
BEGIN
    PERFORM copy_rights('attempts', 'long_reads');
END
$$;

-- The months of audit_events that 'premade archive' has moved to files (ADR 48).
CREATE TABLE audit_archives (
    -- The first day of the month, in UTC.
    month date CONSTRAINT audit_archives_pkey PRIMARY KEY,
    ends_at timestamptz NOT NULL,
    rows bigint NOT NULL,
    -- The newest transaction of its events. A gate whose cursor is older must get a full list.
    last_transaction_id xid8 NOT NULL,
    -- Digest of the events, as in the manifest.
    digest text NOT NULL,
    archived_at timestamptz NOT NULL
);

-- The service reads it, with a role that may not own the tables.
DO $$
BEGIN
    PERFORM copy_rights('audit_events', 'audit_archives');
END
$$;

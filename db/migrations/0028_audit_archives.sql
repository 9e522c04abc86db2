-- The months of audit_events that 'premade archive' has moved to files (ADR 48).
CREATE TABLE audit_archives (
    -- Its first day, in UTC.
    month date CONSTRAINT audit_archives_pkey PRIMARY KEY,
    ends_at timestamptz NOT NULL,
    rows bigint NOT NULL,
    -- Of its newest event. A gate that fetched its list before cannot get only the changes since.
    last_transaction_id xid8 NOT NULL,
    -- Of the events, as the manifest has it.
    digest text NOT NULL,
    archived_at timestamptz NOT NULL
);

-- The service reads it, with a role that may not own the tables.
DO $$
BEGIN
    PERFORM copy_rights('audit_events', 'audit_archives');
END
$$;

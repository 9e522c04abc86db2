-- The audit record: who did what to which ticket. An event is written in the transaction of its change and never altered.

CREATE TABLE audit_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_events_pkey PRIMARY KEY,
    -- NULL: an act of the operator that concerns no single partner.
    partner_id bigint CONSTRAINT audit_events_partner REFERENCES partners,
    event text NOT NULL,
    -- 'key:<key_id>', 'staff:<staff_id>', 'command:<system user>', 'clock', …
    actor text NOT NULL,
    request_id text,
    batch_id text,
    ticket_code text,
    order_id text,
    data jsonb NOT NULL DEFAULT '{}',
    occurred_at timestamptz NOT NULL,
    -- A retry with the same Idempotency-Key, or a scan that is sent again, finds here what it did the first time.
    operation text,
    idempotency_key text,
    request_digest bytea,
    -- The changes since a snapshot are read by transaction. Event ids are assigned before the commit, so a reader that goes
    -- by them would miss a late commit.
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT audit_key_with_its_request CHECK (
        (idempotency_key IS NULL) = (request_digest IS NULL) AND (idempotency_key IS NULL OR operation IS NOT NULL)
    )
);

CREATE UNIQUE INDEX audit_idempotency_key_taken ON audit_events (partner_id, operation, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX audit_events_by_ticket ON audit_events (partner_id, ticket_code) WHERE ticket_code IS NOT NULL;
CREATE INDEX audit_events_by_batch ON audit_events (partner_id, batch_id)
    WHERE batch_id IS NOT NULL AND ticket_code IS NULL;
CREATE INDEX audit_events_by_transaction ON audit_events (transaction_id);
-- For the search in the console. Neither index has entries for sales, or for scans with an API key: these only pay for the
-- check of the conditions.
CREATE INDEX audit_events_by_actor ON audit_events (actor, event_id) WHERE actor NOT LIKE 'key:%';
CREATE INDEX audit_events_of_no_ticket ON audit_events (event_id) WHERE ticket_code IS NULL;

-- When an event was recorded. A scan without network occurred earlier.
CREATE FUNCTION recorded_at(data jsonb, occurred_at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT CASE WHEN data ? 'synced_at' THEN (data ->> 'synced_at')::timestamptz ELSE occurred_at END $$;

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit record is append-only: % is refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_is_append_only', TABLE = TG_TABLE_NAME;
END
$$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

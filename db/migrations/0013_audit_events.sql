-- What happened, to which ticket, by whom: written in the transaction of the change, never altered.

CREATE TABLE audit_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_events_pkey PRIMARY KEY,
    -- NULL: an act of the operator that concerns no single partner.
    partner_id bigint CONSTRAINT audit_events_partner REFERENCES partners,
    event text NOT NULL,
    -- 'key:<key_id>' of the API, or 'command'.
    actor text NOT NULL,
    request_id text,
    batch_id text,
    ticket_code text,
    order_id text,
    data jsonb NOT NULL DEFAULT '{}',
    occurred_at timestamptz NOT NULL
);

CREATE INDEX audit_events_by_ticket ON audit_events (partner_id, ticket_code) WHERE ticket_code IS NOT NULL;
CREATE INDEX audit_events_by_batch ON audit_events (partner_id, batch_id)
    WHERE batch_id IS NOT NULL AND ticket_code IS NULL;

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit record is append-only: % is refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_is_append_only', TABLE = TG_TABLE_NAME;
END
$$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

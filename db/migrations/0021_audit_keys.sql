-- The Idempotency-Keys of audit events, so that each is used once. A unique index of audit_events cannot say so once that table
-- is partitioned by time (ADR 47). The trigger also serves version 0.1.0, which knows only audit_events.
CREATE TABLE audit_keys (
    partner_id bigint NOT NULL,
    operation text NOT NULL,
    idempotency_key text NOT NULL,
    event_id bigint NOT NULL,
    -- Of the event: its partition is found without a search.
    occurred_at timestamptz NOT NULL,
    CONSTRAINT audit_keys_pkey PRIMARY KEY (partner_id, operation, idempotency_key)
);

-- The trigger below has the rights of the role that inserts the event.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid = 'audit_events'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT ON audit_keys TO %s', granted.grantee);
    END LOOP;
END
$$;

CREATE FUNCTION take_audit_key() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_keys (partner_id, operation, idempotency_key, event_id, occurred_at)
    VALUES (NEW.partner_id, NEW.operation, NEW.idempotency_key, NEW.event_id, NEW.occurred_at)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN NEW;
    END IF;
    -- These statements leave out an event that is already recorded. All others are refused.
    IF NEW.operation IN ('redeem', 'sync', 'look') THEN
        RETURN NULL;
    END IF;
    RAISE unique_violation USING
        MESSAGE = 'the Idempotency-Key is used', TABLE = 'audit_events', CONSTRAINT = 'audit_idempotency_key_taken';
END
$$;

CREATE TRIGGER audit_key_is_used_once BEFORE INSERT ON audit_events
    FOR EACH ROW WHEN (NEW.idempotency_key IS NOT NULL) EXECUTE FUNCTION take_audit_key();

-- How far the next file has come.
CREATE TABLE audit_keys_progress (
    only_row boolean CONSTRAINT audit_keys_progress_pkey PRIMARY KEY,
    last_event_id bigint NOT NULL
);

INSERT INTO audit_keys_progress (only_row, last_event_id) VALUES (true, -9223372036854775808);

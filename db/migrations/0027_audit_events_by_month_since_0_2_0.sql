-- The audit events, partitioned by the month of occurred_at in UTC (ADR 47). The existing table becomes the first partition; with
-- its validated constraint, ATTACH needs no scan. The order of the columns stays: cursors of gates contain a digest of a row.
-- squawk-ignore renaming-table
ALTER TABLE audit_events RENAME TO audit_events_before_months;

DO $$
DECLARE
    last_id bigint;
    name text;
BEGIN
    -- Nobody sets the sequence meanwhile: begin_incarnation takes this lock first.
    LOCK TABLE database_incarnation IN SHARE ROW EXCLUSIVE MODE;
    last_id := pg_sequence_last_value('audit_events_event_id_seq');
    ALTER TABLE audit_events_before_months ALTER COLUMN event_id DROP IDENTITY;
    CREATE SEQUENCE audit_events_event_id_seq;
    IF last_id IS NOT NULL THEN
        PERFORM setval('audit_events_event_id_seq', last_id);
    END IF;
    ALTER TABLE audit_events_before_months
        ALTER COLUMN event_id SET DEFAULT nextval('audit_events_event_id_seq'),
        DROP CONSTRAINT audit_events_pkey,
        ADD CONSTRAINT audit_events_before_months_pkey PRIMARY KEY USING INDEX audit_events_by_id_and_time;
    DROP TRIGGER audit_key_is_used_once ON audit_events_before_months;
    FOREACH name IN ARRAY ARRAY['by_actor', 'by_batch', 'by_ticket', 'by_transaction', 'of_no_ticket'] LOOP
        EXECUTE format('ALTER INDEX audit_events_%s RENAME TO audit_events_before_months_%s', name, name);
    END LOOP;
END
$$;

-- Name the NOT NULL constraints: PostgreSQL 18 would choose other names, because the existing table has these.
CREATE TABLE audit_events (
    event_id bigint CONSTRAINT audit_events_event_id_not_null NOT NULL DEFAULT nextval('audit_events_event_id_seq'),
    partner_id bigint CONSTRAINT audit_events_partner REFERENCES partners,
    event text CONSTRAINT audit_events_event_not_null NOT NULL,
    actor text CONSTRAINT audit_events_actor_not_null NOT NULL,
    request_id text,
    batch_id text,
    ticket_code text,
    order_id text,
    data jsonb CONSTRAINT audit_events_data_not_null NOT NULL DEFAULT '{}',
    occurred_at timestamptz CONSTRAINT audit_events_occurred_at_not_null NOT NULL,
    operation text,
    idempotency_key text,
    request_digest bytea,
    transaction_id xid8 CONSTRAINT audit_events_transaction_id_not_null NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT audit_events_pkey PRIMARY KEY (event_id, occurred_at),
    CONSTRAINT audit_key_with_its_request CHECK (
        (idempotency_key IS NULL) = (request_digest IS NULL) AND (idempotency_key IS NULL OR operation IS NOT NULL)
    )
) PARTITION BY RANGE (occurred_at);

ALTER SEQUENCE audit_events_event_id_seq OWNED BY audit_events.event_id;

-- The order matters: of two indexes that cost the same on an empty table, PostgreSQL takes the later one.
CREATE INDEX audit_events_of_no_ticket ON audit_events (event_id) WHERE ticket_code IS NULL;
CREATE INDEX audit_events_by_transaction ON audit_events (transaction_id);
CREATE INDEX audit_events_by_actor ON audit_events (actor, event_id) WHERE actor NOT LIKE 'key:%';
CREATE INDEX audit_events_by_batch ON audit_events (partner_id, batch_id) WHERE batch_id IS NOT NULL AND ticket_code IS NULL;
CREATE INDEX audit_events_by_ticket ON audit_events (partner_id, ticket_code) WHERE ticket_code IS NOT NULL;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_key_is_used_once BEFORE INSERT ON audit_events
    FOR EACH ROW WHEN (NEW.idempotency_key IS NOT NULL) EXECUTE FUNCTION take_audit_key();

-- For events whose month has no partition, such as those of a wrong clock. ATTACH of a new partition reads all rows here.
CREATE TABLE audit_events_default PARTITION OF audit_events DEFAULT;
-- A statement trigger works only for statements that name its table.
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events_default
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE VIEW audit_months AS
SELECT c.relname::text AS table_name,
       coalesce(substring(b.bound FROM 'FROM \(''([^'']+)''\)')::timestamptz, '-infinity') AS starts_at,
       substring(b.bound FROM 'TO \(''([^'']+)''\)')::timestamptz AS ends_at
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) AS b
WHERE i.inhparent = 'audit_events'::regclass AND b.bound <> 'DEFAULT';

-- Whoever may connect may know which months there are.
GRANT SELECT ON audit_months TO PUBLIC;

-- Grant on the table `target` the rights that other roles have on `source`. A backup reads each partition, so its role needs on
-- each partition the rights that it has on the whole table.
CREATE FUNCTION copy_rights(source regclass, target regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid = source AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', granted.privilege_type, target, granted.grantee);
        -- The sequence of an identity column needs no right, a plain sequence does.
        IF target = 'audit_events'::regclass AND granted.privilege_type = 'INSERT' THEN
            EXECUTE format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE audit_events_event_id_seq TO %s', granted.grantee);
        END IF;
    END LOOP;
END
$$;

-- Create the table of a month, not attached yet. The service uses it for new months, and an archive for those that it restores.
CREATE FUNCTION create_audit_table(table_name text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE audit_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', table_name);
    -- A trigger of a statement works only on the table that the statement names.
    EXECUTE format(
        'CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()', table_name
    );
    PERFORM copy_rights('audit_events', table_name::regclass);
END
$$;

-- Create the partition of a month, if it has none, and return whether it was created. The month must be the current one or one of
-- the next twelve. Up to moved_max events of the month are moved from the default partition. With more, no partition is created.
-- The role of the service may call it without owning the table.
CREATE FUNCTION create_audit_month(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC'
AS $$
DECLARE
    moved_max CONSTANT integer := 10000;
    first_day CONSTANT date := date_trunc('month', day);
    next_first_day CONSTANT date := first_day + interval '1 month';
    table_name CONSTANT text := 'audit_events_' || to_char(first_day, 'YYYY_MM');
    to_move integer;
BEGIN
    -- One session at a time; others then find the partition.
    PERFORM pg_advisory_xact_lock(7214938065);
    IF first_day NOT BETWEEN date_trunc('month', database_clock()) AND database_clock() + interval '12 months' THEN
        RAISE EXCEPTION 'the month % is not near', first_day;
    END IF;
    IF EXISTS (SELECT FROM audit_months m WHERE m.starts_at < next_first_day AND m.ends_at > first_day) THEN
        RETURN false;
    END IF;
    SELECT count(*) INTO to_move FROM (
        SELECT FROM audit_events_default WHERE occurred_at >= first_day AND occurred_at < next_first_day LIMIT moved_max + 1
    ) AS events_of_month;
    IF to_move > moved_max THEN
        RETURN false;
    END IF;
    -- ATTACH locks the table less than CREATE TABLE ... PARTITION OF.
    PERFORM create_audit_table(table_name);
    IF to_move > 0 THEN
        ALTER TABLE audit_events_default DISABLE TRIGGER audit_is_append_only;
        EXECUTE format(
            'WITH moved AS (DELETE FROM audit_events_default WHERE occurred_at >= %L AND occurred_at < %L RETURNING *)'
            ' INSERT INTO %I SELECT * FROM moved', first_day, next_first_day, table_name
        );
        ALTER TABLE audit_events_default ENABLE TRIGGER audit_is_append_only;
    END IF;
    EXECUTE format(
        'ALTER TABLE audit_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', table_name, first_day, next_first_day
    );
    RETURN true;
END
$$;

-- It has the rights of the owner. The schema of temporary tables is the last one: a caller could hide the names above there.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION create_audit_month(date) SET search_path = %I, pg_temp', current_schema());
END
$$;

-- Attach the existing table, or drop it if it is empty, as in a new installation.
DO $$
DECLARE
    limit_at timestamptz;
    this_month CONSTANT timestamp := date_trunc('month', database_clock() AT TIME ZONE 'UTC');
BEGIN
    PERFORM copy_rights('audit_events_before_months', 'audit_events');
    PERFORM copy_rights('audit_events', 'audit_events_default');
    IF EXISTS (SELECT FROM audit_events_before_months) THEN
        SELECT substring(pg_get_constraintdef(oid) FROM '''([^'']+)''')::timestamptz INTO limit_at
        FROM pg_constraint WHERE conname = 'audit_events_before_months';
        EXECUTE format(
            'ALTER TABLE audit_events ATTACH PARTITION audit_events_before_months FOR VALUES FROM (MINVALUE) TO (%L)', limit_at
        );
        ALTER TABLE audit_events_before_months DROP CONSTRAINT audit_events_before_months;
    ELSE
        DROP TABLE audit_events_before_months;
    END IF;
    FOR ahead IN 0..3 LOOP
        PERFORM create_audit_month((this_month + ahead * interval '1 month')::date);
    END LOOP;
END
$$;

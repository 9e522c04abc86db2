-- Spread the tables of an installed schema over the servers of Citus, by partner_id. See docs/scaling.md.
--
--     psql "$DATABASE_URL" --file ops/citus/distribute.sql
--
-- Stop the service first, and take a backup: there is no way back. The script is one transaction, so a failure changes
-- nothing.
--
-- Parts 1 to 4 change what cannot be spread: identity columns, unique keys without partner_id, one foreign key, and statement
-- triggers. They work on any PostgreSQL, also on the restored backup of a spread database, which has these changes already.
-- Part 5 calls Citus. The tests leave it out (`SET premade.partitions = 4`) and make hash partitions instead. PostgreSQL has the
-- same rule for the unique keys of such a table, and its plans show which partitions a statement reads.

BEGIN;
SET LOCAL client_min_messages = warning;

CREATE TEMPORARY TABLE spread_tables (place integer, name text, kind text) ON COMMIT DROP;
INSERT INTO spread_tables VALUES
    -- Reference tables: every server has all rows.
    (1, 'channels', 'reference'),
    (2, 'partners', 'reference'),
    (3, 'products', 'reference'),
    (4, 'product_functions', 'reference'),
    (16, 'function_names', 'reference'),
    (5, 'signing_keys', 'reference'),
    (15, 'audit_archives', 'reference'),
    -- Distributed tables: one server has all rows of a partner.
    (6, 'batches', 'distributed'),
    (7, 'ota_orders', 'distributed'),
    (8, 'pre_generated_tickets', 'distributed'),
    (9, 'audit_events', 'distributed'),
    (14, 'audit_keys', 'distributed'),
    (10, 'ticket_deltas', 'distributed'),
    (11, 'ticket_totals', 'distributed'),
    (12, 'activation_spans', 'distributed'),
    (13, 'sales_days', 'distributed');
-- All other tables stay on the coordinator, the server of DATABASE_URL. Among them are the stock and its reservations, which
-- all partners of a channel share.

DO $$
DECLARE
    is_spread boolean;
BEGIN
    IF to_regclass('pre_generated_tickets') IS NULL THEN
        RAISE EXCEPTION 'There is no schema of premade here. Run `premade migrate` first.';
    END IF;
    IF to_regclass('pg_dist_partition') IS NOT NULL THEN
        EXECUTE $look$ SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'batches'::regclass) $look$ INTO is_spread;
    ELSE
        is_spread := (SELECT relkind = 'p' FROM pg_class WHERE oid = 'batches'::regclass);
    END IF;
    IF is_spread THEN
        RAISE EXCEPTION 'This database is spread already.';
    END IF;
    IF coalesce(current_setting('premade.partitions', true), '') <> '' THEN
        RETURN;
    END IF;
    IF to_regproc('create_distributed_table') IS NULL THEN
        RAISE EXCEPTION 'Citus is not installed in this database. Run CREATE EXTENSION citus first.';
    END IF;
    IF coalesce(current_setting('citus.enable_unsafe_triggers', true), 'off') <> 'on' THEN
        RAISE EXCEPTION 'Set citus.enable_unsafe_triggers = on in postgresql.conf on all servers: premade needs its triggers on tickets.';
    END IF;
END
$$;

-- 1. Ids come from sequences. Citus gives each server a part of the numbers of a sequence.
DO $$
DECLARE
    id record;
BEGIN
    FOR id IN
        SELECT a.attrelid::regclass AS in_table, a.attname AS name,
               pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)::regclass AS sequence
        FROM spread_tables s
        JOIN pg_attribute a ON a.attrelid = s.name::regclass AND a.attidentity <> ''
    LOOP
        DECLARE
            sequence_name CONSTANT text := id.sequence::text;
            next_value CONSTANT bigint := coalesce(pg_sequence_last_value(id.sequence), 0) + 1;
        BEGIN
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', id.in_table, id.name);
            EXECUTE format('CREATE SEQUENCE %s AS bigint START WITH %s', sequence_name, next_value);
            EXECUTE format(
                'ALTER TABLE %s ALTER COLUMN %I SET DEFAULT nextval(%L)', id.in_table, id.name, sequence_name
            );
        END;
    END LOOP;
END
$$;

-- 2. Events that concern no partner belong to partner 0, the operator. It is no row of `partners`.
CREATE OR REPLACE FUNCTION operator_partner() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 0::bigint;
ALTER TABLE audit_events DROP CONSTRAINT IF EXISTS audit_events_partner;
ALTER TABLE audit_events DISABLE TRIGGER audit_is_append_only;
UPDATE audit_events SET partner_id = operator_partner() WHERE partner_id IS NULL;
ALTER TABLE audit_events ENABLE TRIGGER audit_is_append_only;

-- 3. Unique keys begin with the partner. Codes and ids stay unique over all partners: they come from the clocks of the database
-- and from sequences, which never repeat a number (docs/scaling.md).
DO $$
DECLARE
    key record;
    columns text;
BEGIN
    FOR key IN
        SELECT c.conrelid::regclass AS in_table, c.conname AS name, c.conkey AS columns,
               CASE c.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END AS kind, a.attnum AS partner
        FROM spread_tables s
        JOIN pg_constraint c ON c.conrelid = s.name::regclass AND c.contype IN ('p', 'u')
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attname = 'partner_id'
        WHERE s.kind = 'distributed' AND a.attnum <> ALL (c.conkey)
    LOOP
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) INTO columns
        FROM unnest(key.columns) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = key.in_table AND a.attnum = k.attnum;
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', key.in_table, key.name);
        -- Orders have this key already.
        IF NOT EXISTS (
            SELECT FROM pg_constraint c
            WHERE c.conrelid = key.in_table AND c.contype IN ('p', 'u') AND c.conkey = key.partner || key.columns
        ) THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s (partner_id, %s)', key.in_table, key.name, key.kind, columns);
        END IF;
    END LOOP;
END
$$;
-- The gates of the operator and the search of the console know no partner.
CREATE INDEX IF NOT EXISTS tickets_by_code ON pre_generated_tickets (ticket_code);
CREATE INDEX IF NOT EXISTS orders_by_id ON ota_orders (order_id);
CREATE INDEX IF NOT EXISTS audit_events_by_id ON audit_events (event_id);
-- Citus allows no foreign key from a spread table to a table of the coordinator. The statement that generates a batch also changes
-- its reservation, so the reservation exists.
ALTER TABLE batches DROP CONSTRAINT IF EXISTS batches_reservation;

-- 4. Row triggers count tickets. Citus runs such a trigger on the server of the ticket, where it writes a row of the same partner.
CREATE OR REPLACE FUNCTION count_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_activated CONSTANT boolean := TG_OP = 'UPDATE' AND NEW.activated_at IS NOT NULL AND OLD.activated_at IS NULL;
BEGIN
    INSERT INTO ticket_deltas (partner_id, product_id, last_day, currency, span, unused_change, activated, amount)
    VALUES (
        NEW.partner_id, NEW.product_id, coalesce(NEW.valid_until, 'infinity'),
        CASE WHEN TG_OP = 'UPDATE' THEN NEW.currency END, CASE WHEN is_activated THEN activation_span(NEW.activated_at) END,
        CASE WHEN TG_OP = 'UPDATE' THEN -1 ELSE 1 END, is_activated::integer, CASE WHEN is_activated THEN NEW.price ELSE 0 END
    );
    RETURN NULL;
END
$$;
DROP TRIGGER generated_tickets_are_counted ON pre_generated_tickets;
CREATE TRIGGER generated_tickets_are_counted AFTER INSERT ON pre_generated_tickets
    FOR EACH ROW EXECUTE FUNCTION count_ticket();
DROP TRIGGER changed_tickets_are_counted ON pre_generated_tickets;
-- Only this change counts: no ticket becomes unused again, and none is activated without leaving PRE_GENERATED.
CREATE TRIGGER changed_tickets_are_counted AFTER UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (OLD.status = 'PRE_GENERATED' AND NEW.status <> 'PRE_GENERATED') EXECUTE FUNCTION count_ticket();
DROP TRIGGER IF EXISTS ticket_price_fits_its_currency ON pre_generated_tickets;
ALTER TABLE pre_generated_tickets
    DROP CONSTRAINT IF EXISTS ticket_price_fits_its_currency,
    ADD CONSTRAINT ticket_price_fits_its_currency CHECK (fits_currency(price, currency));

-- 5. Spread the tables.
DO $$
DECLARE
    spread record;
    name text;
BEGIN
    IF coalesce(current_setting('premade.partitions', true), '') <> '' THEN
        RETURN;
    END IF;
    -- Citus needs this to create reference tables and distributed tables in one transaction.
    SET LOCAL citus.multi_shard_modify_mode = 'sequential';
    FOR spread IN SELECT * FROM spread_tables ORDER BY place LOOP
        IF spread.kind = 'reference' THEN
            PERFORM create_reference_table(spread.name);
        ELSE
            PERFORM create_distributed_table(
                spread.name, 'partner_id',
                colocate_with => CASE spread.name WHEN 'batches' THEN 'none' ELSE 'batches' END
            );
        END IF;
    END LOOP;
    -- Functions that statements and triggers call on every server. Each comes after the functions that it calls.
    FOREACH name IN ARRAY ARRAY[
        'database_clock()', 'both_clocks(timestamptz)', 'both_days(date, text)', 'activation_span(timestamptz)',
        'recorded_at(jsonb, timestamptz)', 'take_audit_key()', 'tickets_by_state(bigint, text, boolean)'
    ] LOOP
        PERFORM create_distributed_function(name::regprocedure);
    END LOOP;
END
$$;

COMMIT;

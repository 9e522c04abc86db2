-- The clocks: which time counts when something expires, and where codes and ids get their numbers.

-- Expiry

-- Something expires when the service's clock and the database's both say so. One of them may be wrong for a while, and what
-- expired stays expired. The setting premade.clock_shift is for tests, which move both clocks.
CREATE FUNCTION database_clock() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT statement_timestamp() + coalesce(nullif(current_setting('premade.clock_shift', true), ''), '0')::interval
$$;

CREATE FUNCTION both_clocks(own timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT LEAST(own, database_clock())
$$;

CREATE FUNCTION both_days(own date, zone text) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT LEAST(own, (database_clock() AT TIME ZONE zone)::date)
$$;

-- Logical clocks

-- The 13 digits of a ticket code, an order id and a reservation id are a logical clock in milliseconds: max(now, last + 1).
-- So they are unique and increasing, and agree with the time as long as fewer than 1,000 a second are taken.
CREATE SEQUENCE ticket_code_ms;
CREATE SEQUENCE order_id_ms;
CREATE SEQUENCE reservation_id_ms;

-- How far a clock may be ahead of the wall clock, in ms, if that is more than logical_lead_max_ms.
CREATE SEQUENCE ticket_code_ms_lead;
CREATE SEQUENCE order_id_ms_lead;
CREATE SEQUENCE reservation_id_ms_lead;

CREATE FUNCTION logical_lead_max_ms() RETURNS bigint LANGUAGE sql IMMUTABLE RETURN 3600000;

-- Incarnations

-- A database that was restored, copied or promoted has forgotten the last codes that it gave out, and must not give them out
-- again. This row describes the database that the clocks belong to, and its unbroken run; every use of a clock compares it.
CREATE TABLE database_incarnation (
    -- No primary key: a dump of the data alone then adds a second row, and two rows are noticed.
    incarnation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Decides about the gaps between codes. It is never shown.
    gap_secret uuid NOT NULL DEFAULT gen_random_uuid(),
    begun_at timestamptz NOT NULL DEFAULT now(),
    -- The transaction that wrote this row. A restored dump writes it in another one, which the row's xmin shows.
    written_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    database_oid oid NOT NULL,
    -- System identifier and timeline.
    server text NOT NULL,
    server_started_at timestamptz NOT NULL,
    -- NULL: the role may not see it.
    files_changed_at timestamptz,
    -- No clock was below this when the row was written, so a clock that is below it was set back.
    clocks_from_ms bigint NOT NULL DEFAULT 0,
    -- What the file beside the embedded cluster said when it was last written.
    marker text
);

-- Without a primary key, a publication FOR ALL TABLES would refuse changes of the row.
ALTER TABLE database_incarnation REPLICA IDENTITY FULL;

CREATE FUNCTION database_oid() RETURNS oid LANGUAGE sql STABLE
RETURN (SELECT oid FROM pg_database WHERE datname = current_database());

-- A promotion and a point-in-time recovery begin a new timeline.
CREATE FUNCTION database_server() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN 'in recovery';
    END IF;
    RETURN (
        SELECT concat_ws('.', system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8)) FROM pg_control_system()
    );
END
$$;

-- The inode change time of a file that PostgreSQL never writes again. No program that copies files can set it.
CREATE FUNCTION database_files_changed_at() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF has_function_privilege('pg_stat_file(text)', 'execute') THEN
        RETURN (pg_stat_file('PG_VERSION')).change;
    END IF;
    RETURN NULL;
END
$$;

-- NULL if the row describes another database than this one. Most calls compare no more than the start time of the server: a
-- server with another past is another process.
CREATE FUNCTION incarnation_if_confirmed() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    confirmed uuid;
BEGIN
    SELECT (array_agg(i.incarnation_id))[1] INTO confirmed
    FROM database_incarnation i
    HAVING count(*) = 1 AND bool_and(
        i.xmin = i.written_in::xid AND i.database_oid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND i.clocks_from_ms <= least(
            coalesce(pg_sequence_last_value('ticket_code_ms'), 0), coalesce(pg_sequence_last_value('order_id_ms'), 0),
            coalesce(pg_sequence_last_value('reservation_id_ms'), 0)
        )
        AND CASE
            WHEN i.server_started_at = pg_postmaster_start_time() THEN true
            ELSE i.server = database_server()
                AND coalesce(i.files_changed_at = database_files_changed_at(), true)
        END
    );
    RETURN confirmed;
END
$$;

CREATE FUNCTION current_incarnation() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    confirmed CONSTANT uuid := incarnation_if_confirmed();
BEGIN
    IF confirmed IS NULL THEN
        RAISE EXCEPTION 'the database was restored, copied or promoted, and this is not recorded yet'
            USING ERRCODE = 'PM001';
    END IF;
    RETURN confirmed;
END
$$;

-- Moves every clock past everything that can have been given out, and writes a new row. What was forgotten is at most `lead`
-- ahead of its time, by a wall clock that was at most a minute plus `more_ms` ahead of this one. The lead does not grow when
-- this happens again: an older dump does not know how often it happened, and would begin too low. Event ids go on far beyond
-- the forgotten ones.
CREATE FUNCTION begin_incarnation(more_ms bigint) RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lock_space CONSTANT integer := 1886547309;
    clock_skew_max_ms CONSTANT bigint := 60000;
    event_ids_skipped CONSTANT bigint := 1000000000;
    clock regclass;
    now_ms bigint;
    lead bigint;
    lowest_ms bigint;
    begun uuid;
BEGIN
    LOCK TABLE database_incarnation IN SHARE ROW EXCLUSIVE MODE;
    FOREACH clock IN ARRAY ARRAY['ticket_code_ms', 'order_id_ms', 'reservation_id_ms']::regclass[] LOOP
        PERFORM pg_advisory_xact_lock(lock_space, clock::oid::integer);
        now_ms := floor(extract(epoch FROM clock_timestamp()) * 1000);
        lead := greatest(
            coalesce(pg_sequence_last_value((clock::text || '_lead')::regclass), 0),
            logical_lead_max_ms() + clock_skew_max_ms + more_ms
        );
        lead := setval(
            clock, greatest(now_ms + lead, coalesce(pg_sequence_last_value(clock), 0))
        ) - now_ms;
        PERFORM setval((clock::text || '_lead')::regclass, lead);
        lowest_ms := least(lowest_ms, now_ms + lead);
    END LOOP;
    PERFORM setval(
        'audit_events_event_id_seq',
        coalesce(pg_sequence_last_value('audit_events_event_id_seq'), 0) + event_ids_skipped
    );
    DELETE FROM database_incarnation;
    INSERT INTO database_incarnation (
        database_oid, server, server_started_at, files_changed_at, clocks_from_ms
    )
    VALUES (
        database_oid(), database_server(), pg_postmaster_start_time(), database_files_changed_at(), lowest_ms
    )
    RETURNING incarnation_id INTO begun;
    RETURN begun;
END
$$;

-- Numbers

-- The gap to leave after `n` codes of a partner, so that codes do not show how many tickets others sell: up to three times
-- `n`, by a secret factor that a partner keeps for an hour. Without a partner, by chance.
CREATE FUNCTION logical_gap(n bigint, for_partner bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    share double precision := random();
BEGIN
    IF for_partner IS NOT NULL THEN
        SELECT ('x' || encode(substring(
            sha256(convert_to(concat_ws(':', gap_secret, for_partner, floor(extract(epoch FROM clock_timestamp()) / 3600)), 'UTF8'))
            FOR 4
        ), 'hex'))::bit(32)::bigint / 4294967296.0 INTO share
        FROM database_incarnation LIMIT 1;
    END IF;
    RETURN floor(n * (power(4, share) - 1));
END
$$;

-- Takes `n` consecutive numbers of `clock` and returns the first. It is returned when the wall clock is within the lead of the
-- last number: who comes too early waits a second at most, after the lock is released, or gets the error PM002.
-- The lock belongs to the session, so that nobody waits for another's commit. A cancel may arrive in the moment in which it is
-- granted, so it is taken inside the block whose handler releases it.
CREATE FUNCTION take_logical_ms(clock regclass, n bigint, for_partner bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lock_space CONSTANT integer := 1886547309;
    clock_key CONSTANT integer := clock::oid::integer;
    lead_of_clock CONSTANT regclass := clock::text || '_lead';
    usual_lead CONSTANT bigint := logical_lead_max_ms();
    wait_max CONSTANT bigint := 1000;
    now_ms bigint;
    last_ms bigint;
    first_ms bigint;
    end_ms bigint;
    lead bigint;
BEGIN
    PERFORM current_incarnation();
    BEGIN
        PERFORM pg_advisory_lock(lock_space, clock_key);
        now_ms := floor(extract(epoch FROM clock_timestamp()) * 1000);
        last_ms := coalesce(pg_sequence_last_value(clock), 0);
        lead := coalesce(pg_sequence_last_value(lead_of_clock), usual_lead);
        IF last_ms - now_ms > lead + wait_max THEN
            -- The wall clock was set back. It goes on from here, a tick a millisecond.
            lead := setval(lead_of_clock, last_ms - now_ms);
        ELSIF lead > usual_lead AND last_ms - now_ms < lead THEN
            lead := setval(lead_of_clock, greatest(usual_lead, last_ms - now_ms));
        END IF;
        first_ms := greatest(now_ms, last_ms + 1);
        end_ms := first_ms + n - 1;
        IF end_ms - now_ms - lead > wait_max THEN
            RAISE EXCEPTION 'clock % is % ms ahead, and may be %', clock, end_ms - now_ms, lead USING ERRCODE = 'PM002';
        END IF;
        -- A gap never makes anybody wait.
        PERFORM setval(clock, greatest(end_ms, least(end_ms + logical_gap(n, for_partner), now_ms + lead)));
        PERFORM pg_advisory_unlock(lock_space, clock_key);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        IF EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
                AND classid = lock_space::oid AND objid = clock::oid AND objsubid = 2
        ) THEN
            PERFORM pg_advisory_unlock(lock_space, clock_key);
        END IF;
        RAISE;
    END;
    IF end_ms > now_ms + lead THEN
        PERFORM pg_sleep((end_ms - now_ms - lead) / 1000.0);
    END IF;
    RETURN first_ms;
END
$$;

INSERT INTO database_incarnation (database_oid, server, server_started_at, files_changed_at)
VALUES (database_oid(), database_server(), pg_postmaster_start_time(), database_files_changed_at());

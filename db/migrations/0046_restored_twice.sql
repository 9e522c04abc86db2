-- A publication FOR ALL TABLES lets no row be changed that subscribers cannot find. These tables have no primary key.
ALTER TABLE database_incarnation REPLICA IDENTITY FULL;
ALTER TABLE refusal_days REPLICA IDENTITY FULL;

-- Moves every clock past all that can have been given out: what was forgotten is at most `lead` ahead of its time, by a
-- wall clock that was at most a minute, and `more_ms`, ahead of this one. Event ids go on far beyond the forgotten.
-- The lead is the same the second time. If it grew, an older dump, which does not know by how much, would begin below it.
CREATE OR REPLACE FUNCTION begin_incarnation(more_ms bigint) RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
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

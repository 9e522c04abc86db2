-- The lock of the logical clock is a session's, so nothing but this function gives it back. It is taken inside
-- the block whose handler gives it back: a cancel or a time-out may arrive in the moment in which it is granted.

CREATE OR REPLACE FUNCTION take_logical_ms(clock regclass, n bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lock_space CONSTANT integer := 1886547309;
    clock_key CONSTANT integer := clock::oid::integer;
    first_ms bigint;
BEGIN
    BEGIN
        PERFORM pg_advisory_lock(lock_space, clock_key);
        first_ms := greatest(
            floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
            coalesce(pg_sequence_last_value(clock), 0) + 1
        );
        PERFORM setval(clock, first_ms + n - 1);
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
    RETURN first_ms;
END
$$;

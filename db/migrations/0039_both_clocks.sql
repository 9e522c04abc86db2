-- What ends by time ends when the service's clock and the database's both say so: one of them may be wrong for a while,
-- and what was ended stays ended. `premade.clock_shift` is for tests, which move both clocks.
CREATE FUNCTION database_clock() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT statement_timestamp() + coalesce(nullif(current_setting('premade.clock_shift', true), ''), '0')::interval
$$;

CREATE FUNCTION both_clocks(own timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT LEAST(own, database_clock())
$$;

CREATE FUNCTION both_days(own date, zone text) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT LEAST(own, (database_clock() AT TIME ZONE zone)::date)
$$;

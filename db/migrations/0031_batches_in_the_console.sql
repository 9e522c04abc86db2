-- What the service goes on making, the oldest first. In words that no other statement has, so that no plan of a young table
-- finds a batch by it. The condition is on a column that a maker changes, and no sale does.
CREATE INDEX batches_being_made ON batches (created_at) WHERE to_make + 0 > 0;

-- The record as the staff search it. Neither index has a row of a sale or of a scan by a key: these pay for looking at
-- the conditions, not for an entry.
CREATE INDEX audit_events_by_actor ON audit_events (actor, event_id) WHERE actor NOT LIKE 'key:%';
CREATE INDEX audit_events_of_no_ticket ON audit_events (event_id) WHERE ticket_code IS NULL;

-- When an event was recorded: a scan without network happened before.
CREATE FUNCTION recorded_at(data jsonb, occurred_at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT CASE WHEN data ? 'synced_at' THEN (data ->> 'synced_at')::timestamptz ELSE occurred_at END $$;

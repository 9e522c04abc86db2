-- name: partitions_around
-- The bounds of the partitions that have the events around a moment. A condition on these bounds selects whole partitions, so no
-- statement reads past rows that it does not match. PostgreSQL knows more years than Python.
SELECT greatest(max(starts_at) FILTER (WHERE starts_at <= :moment::timestamptz - :around::interval), '0001-01-01 00:00Z') AS starts_at,
       least(min(ends_at) FILTER (WHERE ends_at > :moment + :around), '9999-12-31 00:00Z') AS ends_at
FROM audit_months

-- name: newest_event
SELECT event_id FROM audit_events
WHERE event_id > 0 AND occurred_at >= :starts_at AND occurred_at < :ends_at
ORDER BY event_id DESC LIMIT 1

-- name: archived_before
-- The end of the newest month in the archive.
SELECT max(ends_at) AS ends_at FROM audit_archives

-- name: recorded_at
-- When an event, or the first one after it, was recorded.
SELECT event_id, recorded_at(data, occurred_at) AS recorded_at
FROM audit_events
WHERE event_id >= :event_id AND occurred_at >= :starts_at AND occurred_at < :ends_at
ORDER BY event_id LIMIT 1

-- name: all_events
-- Back from an event on. The last that a page may look at comes whether it matches or not: there the next page begins.
WITH rows_read AS (
    SELECT e.event_id, e.partner_id, e.event, e.actor, e.batch_id, e.ticket_code, e.order_id, e.data, e.occurred_at,
           row_number() OVER (ORDER BY e.event_id DESC) AS place,
           (:partner_id::bigint IS NULL OR e.partner_id = :partner_id) AND (:actors::text[] IS NULL OR e.actor = ANY(:actors))
               AND (:event::text IS NULL OR e.event = :event)
               AND (:start::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) >= :start)
               AND (:before::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) < :before) AS matches
    FROM audit_events e
    WHERE e.event_id < coalesce(:after_event_id, 9223372036854775807) AND e.event_id >= :from_event_id
        AND e.event_id < :before_event_id
    ORDER BY e.event_id DESC
    LIMIT :rows_read_max
)
SELECT * FROM rows_read WHERE matches OR place = :rows_read_max
ORDER BY event_id DESC
LIMIT :rows

-- name: events_of_no_ticket
-- The same of those that are about no single ticket, and so of no sale: there are few.
WITH rows_read AS (
    SELECT e.event_id, e.partner_id, e.event, e.actor, e.batch_id, e.ticket_code, e.order_id, e.data, e.occurred_at,
           row_number() OVER (ORDER BY e.event_id DESC) AS place,
           (:partner_id::bigint IS NULL OR e.partner_id = :partner_id) AND (:actors::text[] IS NULL OR e.actor = ANY(:actors))
               AND (:event::text IS NULL OR e.event = :event)
               AND (:start::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) >= :start)
               AND (:before::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) < :before) AS matches
    FROM audit_events e
    WHERE e.ticket_code IS NULL AND e.event_id < coalesce(:after_event_id, 9223372036854775807)
        AND e.event_id >= :from_event_id AND e.event_id < :before_event_id
    ORDER BY e.event_id DESC
    LIMIT :rows_read_max
)
SELECT * FROM rows_read WHERE matches OR place = :rows_read_max
ORDER BY event_id DESC
LIMIT :rows

-- name: actors_but_keys
-- Each name once, by index skip scan: the cost does not depend on the number of events.
WITH RECURSIVE named AS (
    (SELECT actor FROM audit_events WHERE actor NOT LIKE 'key:%' AND actor > '' ORDER BY actor LIMIT 1)
    UNION ALL
    SELECT following.actor
    FROM named
    CROSS JOIN LATERAL (
        SELECT actor FROM audit_events WHERE actor NOT LIKE 'key:%' AND actor > named.actor ORDER BY actor LIMIT 1
    ) AS following
)
SELECT actor FROM named LIMIT :actors_max

-- name: events_of_actors
-- The same for some actors that are not API keys.
WITH found AS (
    SELECT e.*
    FROM unnest(:actors::text[]) AS named (actor)
    CROSS JOIN LATERAL (
        SELECT event_id, partner_id, event, actor, batch_id, ticket_code, order_id, data, occurred_at FROM audit_events
        WHERE actor NOT LIKE 'key:%' AND actor = named.actor
            AND event_id < coalesce(:after_event_id, 9223372036854775807)
            AND event_id >= :from_event_id AND event_id < :before_event_id
        ORDER BY event_id DESC
        LIMIT :rows_read_max
    ) AS e
    ORDER BY e.event_id DESC
    LIMIT :rows_read_max
), rows_read AS (
    SELECT e.*, row_number() OVER (ORDER BY e.event_id DESC) AS place,
           (:partner_id::bigint IS NULL OR e.partner_id = :partner_id)
               AND (:event::text IS NULL OR e.event = :event)
               AND (:start::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) >= :start)
               AND (:before::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) < :before) AS matches
    FROM found e
)
SELECT * FROM rows_read WHERE matches OR place = :rows_read_max
ORDER BY event_id DESC
LIMIT :rows

-- name: events_of_batch
-- About the batch, not about one of its tickets: there are few. '+ 0' keeps the planner from the index of all events, which
-- has this order too and would be read past everybody else's.
SELECT e.event_id, e.partner_id, e.event, e.actor, e.batch_id, e.ticket_code, e.order_id, e.data, e.occurred_at
FROM audit_events e
WHERE e.partner_id = :partner_id AND e.batch_id = :batch_id AND e.batch_id IS NOT NULL AND e.ticket_code IS NULL
    AND (:actors::text[] IS NULL OR e.actor = ANY(:actors)) AND (:event::text IS NULL OR e.event = :event)
    AND (:start::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) >= :start)
    AND (:before::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) < :before)
    AND e.event_id + 0 < coalesce(:after_event_id, 9223372036854775807)
    AND e.event_id + 0 >= :from_event_id AND e.event_id + 0 < :before_event_id
ORDER BY e.event_id + 0 DESC
LIMIT :rows

-- name: events_of_tickets
-- '+ 0' as in events_of_batch.
SELECT e.event_id, e.partner_id, e.event, e.actor, e.batch_id, e.ticket_code, e.order_id, e.data, e.occurred_at
FROM audit_events e
WHERE e.partner_id = :partner_id AND e.ticket_code = ANY(:ticket_codes) AND e.ticket_code IS NOT NULL
    AND (:order_id::text IS NULL OR e.order_id = :order_id OR e.order_id IS NULL)
    AND (:actors::text[] IS NULL OR e.actor = ANY(:actors)) AND (:event::text IS NULL OR e.event = :event)
    AND (:start::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) >= :start)
    AND (:before::timestamptz IS NULL OR recorded_at(e.data, e.occurred_at) < :before)
    AND e.event_id + 0 < coalesce(:after_event_id, 9223372036854775807)
    AND e.event_id + 0 >= :from_event_id AND e.event_id + 0 < :before_event_id
ORDER BY e.event_id + 0 DESC
LIMIT :rows

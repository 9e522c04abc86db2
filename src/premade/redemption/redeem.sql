-- name: redeem
-- Redeem entitlements of many tickets, and return one outcome for each scan. The statement skips a ticket that another
-- transaction has locked: its outcome is 'again'. A ticket or scan that another transaction changed after this statement's
-- snapshot has the same outcome. 'partner_ids' are the partners of the tickets, or NULL if a gate of the operator does not know
-- them. If the tables are spread by partner, and there is one partner, the plan then reads one partition of each table.
WITH request AS MATERIALIZED (
    SELECT i.*, coalesce(i.used_at, both_clocks(:now)) AS at, k.ticket_id AS visible_ticket_id,
           coalesce(k.partner_id, i.caller_partner_id) AS partner_id,
           m.event_id AS earlier_event_id, m.data AS earlier_data, m.occurred_at AS earlier_at, m.is_archived, m.same_request,
           k.is_test, t.activated_at, coalesce(i.day, both_days(:today, :zone)) AS judged_day,
           t.ticket_id, t.status, t.issue_number AS valid_issue_number, t.usable_until, t.entitlements,
           t.first_used_at,
           -- The last use in a refusal is read from the snapshot, so the ticket must be of the same time.
           (t.status, t.issue_number, t.entitlements) IS NOT DISTINCT FROM (k.status, k.issue_number, k.entitlements)
               AS is_unchanged,
           e.place, e.remaining, e.uses_of_others
    FROM (
        SELECT i.*
        -- Set for this statement only, before it takes its first lock.
        FROM (SELECT set_config('lock_timeout', :lock_timeout_ms, true)) AS setting
        CROSS JOIN jsonb_to_recordset(:scans::jsonb) AS i (
            position integer, caller_partner_id bigint, actor text, request_id text, ticket_code text,
            issue_number integer, caller_is_test boolean, uploaded_by text, is_grantable boolean, function_code text, uses integer, device_id text,
            scan_id text, idempotency_key text, old_key text, entry text, request_digest text, used_at timestamptz, day date
        )
        -- Lock in the order of codes: two concurrent statements cannot deadlock.
        ORDER BY i.ticket_code
    ) AS i
    LEFT JOIN LATERAL (
        SELECT ticket_id, partner_id, status, issue_number, entitlements,
               -- A subquery by the primary key of a small table, not a join: the planner then keeps its index scan.
               (SELECT p.is_test FROM partners p WHERE p.partner_id = t.partner_id) AS is_test
        FROM pre_generated_tickets t
        -- By the unique code only: the operator's gates see the tickets of all partners.
        WHERE ticket_code = i.ticket_code AND (i.caller_partner_id IS NULL OR partner_id = i.caller_partner_id)
            AND (:partner_ids::bigint[] IS NULL OR partner_id = ANY (:partner_ids))
        -- LIMIT keeps the lookup from being joined with the whole table.
        LIMIT 1
    ) AS k ON true
    LEFT JOIN LATERAL (
        -- The key is kept for ever; the event may be in the archive.
        SELECT a.event_id, e.event_id IS NULL AS is_archived, e.data, a.occurred_at,
               e.request_digest = decode(i.request_digest, 'hex') AS same_request
        FROM audit_keys a
        LEFT JOIN audit_events e
            ON e.event_id = a.event_id AND e.occurred_at = a.occurred_at AND e.partner_id = a.partner_id
            AND (:partner_ids::bigint[] IS NULL OR e.partner_id = ANY (:partner_ids))
        WHERE a.partner_id = coalesce(k.partner_id, i.caller_partner_id) AND a.operation = :operation
            AND (:partner_ids::bigint[] IS NULL OR a.partner_id = ANY (:partner_ids))
            -- A scan recorded before devices belonged to a key is found by its older key, if it was the same request.
            AND a.idempotency_key = ANY (ARRAY[i.idempotency_key, i.old_key])
            AND (
                a.idempotency_key = i.idempotency_key OR e.event_id IS NULL
                OR e.request_digest = decode(i.request_digest, 'hex')
            )
        ORDER BY a.idempotency_key = i.idempotency_key DESC
        LIMIT 1
    ) AS m ON true
    LEFT JOIN LATERAL (
        SELECT ticket_id, status, issue_number, usable_until, activated_at, first_used_at, entitlements FROM pre_generated_tickets
        WHERE ticket_id = k.ticket_id AND partner_id = k.partner_id AND m.event_id IS NULL
            AND (:partner_ids::bigint[] IS NULL OR partner_id = ANY (:partner_ids))
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS t ON true
    CROSS JOIN LATERAL (
        SELECT max(place) FILTER (WHERE is_requested) AS place, max(uses) FILTER (WHERE is_requested) AS remaining,
               coalesce(sum(uses) FILTER (WHERE NOT is_requested), 0) AS uses_of_others
        FROM (
            SELECT place - 1 AS place, (entitlement ->> 'remaining_uses')::integer AS uses,
                   entitlement ->> 'function_code' = i.function_code AS is_requested
            FROM jsonb_array_elements(t.entitlements) WITH ORDINALITY AS entries (entitlement, place)
        ) AS entitlements
    ) AS e
),
judged AS MATERIALIZED (
    SELECT *,
           CASE WHEN is_granted THEN jsonb_set(entitlements, ARRAY[place::text, 'remaining_uses'], to_jsonb(remaining - uses)) END
               AS new_entitlements,
           CASE WHEN remaining + uses_of_others = uses THEN 'USED' ELSE 'ACTIVE' END AS new_status
    FROM (
        SELECT *, coalesce(
            status = 'ACTIVE' AND remaining >= uses AND is_grantable AND is_test = caller_is_test
            AND (used_at IS NULL OR used_at >= activated_at - :clock_skew::interval)
            AND (issue_number IS NULL OR issue_number = valid_issue_number)
            AND (usable_until IS NULL OR usable_until >= judged_day), false) AS is_granted
        FROM request
    ) AS a
),
recorded AS (
    INSERT INTO audit_events (
        partner_id, event, actor, request_id, ticket_code, operation, idempotency_key, request_digest, data, occurred_at
    )
    SELECT partner_id, :event, actor, request_id, ticket_code, :operation, idempotency_key,
           decode(request_digest, 'hex'),
           jsonb_build_object(
               'function_code', function_code, 'uses', uses, 'device_id', device_id, 'scan_id', scan_id,
               'entry', entry, 'entitlements', new_entitlements, 'status', new_status
           ) || CASE WHEN used_at IS NULL THEN '{}' ELSE jsonb_build_object('synced_at', both_clocks(:now)) END
             || CASE WHEN uploaded_by IS NULL THEN '{}' ELSE jsonb_build_object('uploaded_by', uploaded_by) END
             || CASE
                 WHEN used_at IS NOT NULL AND usable_until < both_days(:today, :zone)
                     THEN jsonb_build_object('days_late', both_days(:today, :zone) - usable_until)
                 ELSE '{}'
             END,
           at
    FROM judged WHERE is_granted
    -- Insert in key order: two concurrent statements cannot deadlock.
    ORDER BY partner_id, idempotency_key
    RETURNING ticket_code
),
used AS (
    UPDATE pre_generated_tickets t
    SET entitlements = j.new_entitlements, status = j.new_status, first_used_at = least(t.first_used_at, j.at)
    FROM judged j
    -- 'IS TRUE' makes PostgreSQL use a hash table. A join would compare all rows with all.
    WHERE t.ticket_id = j.ticket_id AND t.partner_id = j.partner_id
        AND (:partner_ids::bigint[] IS NULL OR t.partner_id = ANY (:partner_ids))
        AND (j.ticket_code IN (SELECT ticket_code FROM recorded)) IS TRUE
    RETURNING t.ticket_code
)
SELECT a.position, a.partner_id,
       CASE
           WHEN a.is_redeemed THEN 'redeemed'
           WHEN a.is_archived THEN 'archived'
           WHEN a.same_request THEN 'replayed'
           WHEN a.earlier_event_id IS NOT NULL THEN 'scan_reused'
           WHEN a.visible_ticket_id IS NULL THEN 'unknown'
           WHEN a.ticket_id IS NULL OR a.is_granted OR NOT a.is_unchanged THEN 'again'
           ELSE 'refused'
       END AS outcome,
       CASE WHEN a.is_redeemed THEN a.new_status ELSE coalesce(a.earlier_data ->> 'status', a.status) END AS status,
       CASE WHEN a.is_redeemed THEN a.new_entitlements ELSE coalesce(a.earlier_data -> 'entitlements', a.entitlements) END
           AS entitlements,
       coalesce(a.earlier_at, a.at) AS redeemed_at,
       a.valid_issue_number AS issue_number, a.usable_until, a.activated_at, a.is_test, a.judged_day,
       a.is_redeemed AND a.used_at IS NOT NULL AND coalesce(a.usable_until < both_days(:today, :zone), false) AS is_late,
       last.device_id AS last_device_id, last.scan_id AS last_scan_id, last.occurred_at AS last_used_at
FROM (
    SELECT *, (ticket_code IN (SELECT ticket_code FROM used)) IS TRUE AS is_redeemed FROM judged
) AS a
LEFT JOIN LATERAL (
    SELECT data ->> 'device_id' AS device_id, data ->> 'scan_id' AS scan_id, occurred_at FROM audit_events
    WHERE partner_id = a.partner_id AND ticket_code = a.ticket_code AND event = :event
        AND (:partner_ids::bigint[] IS NULL OR partner_id = ANY (:partner_ids))
        AND a.ticket_id IS NOT NULL AND NOT a.is_granted
        -- No use is earlier, so earlier months are not read, and none for a ticket without a use.
        AND occurred_at >= a.first_used_at
    ORDER BY (data ->> 'function_code' = a.function_code) DESC, occurred_at DESC
    LIMIT 1
) AS last ON true
ORDER BY a.position

-- name: wait_for_ticket
SELECT ticket_id FROM pre_generated_tickets
WHERE ticket_code = :ticket_code AND (:partner_id::bigint IS NULL OR partner_id = :partner_id)
FOR NO KEY UPDATE

-- name: roll_up
-- One statement removes the deltas and adds them to the totals, so that every snapshot has each of them once.
-- 'only_partner_id': roll up the deltas of this partner only. NULL means all partners.
WITH taken AS (
    DELETE FROM ticket_deltas
    WHERE (:only_partner_id::bigint IS NULL OR partner_id = :only_partner_id) AND delta_id IN (
        SELECT delta_id FROM ticket_deltas
        WHERE :only_partner_id::bigint IS NULL OR partner_id = :only_partner_id
        ORDER BY delta_id LIMIT :deltas_max FOR UPDATE SKIP LOCKED
    )
    RETURNING partner_id, product_id, last_day, currency, span, unused_change, activated, amount
),
totals AS (
    INSERT INTO ticket_totals (partner_id, product_id, last_day, unused)
    SELECT partner_id, product_id, last_day, sum(unused_change)
    FROM taken GROUP BY partner_id, product_id, last_day
    ON CONFLICT (partner_id, product_id, last_day)
        DO UPDATE SET unused = ticket_totals.unused + excluded.unused
),
spans AS (
    INSERT INTO activation_spans (span, partner_id, product_id, activated)
    SELECT span, partner_id, product_id, sum(activated)
    FROM taken WHERE activated > 0 GROUP BY span, partner_id, product_id
    ON CONFLICT (span, partner_id, product_id)
        DO UPDATE SET activated = activation_spans.activated + excluded.activated
),
days AS (
    INSERT INTO sales_days (day, partner_id, product_id, currency, tickets, amount)
    SELECT (span AT TIME ZONE :zone)::date, partner_id, product_id, currency, sum(activated), sum(amount)
    FROM taken WHERE activated > 0 AND currency IS NOT NULL GROUP BY 1, 2, 3, 4
    ON CONFLICT (day, partner_id, product_id, currency)
        DO UPDATE SET tickets = sales_days.tickets + excluded.tickets, amount = sales_days.amount + excluded.amount
)
SELECT count(*) AS rolled_up FROM taken

-- name: partners_with_deltas
SELECT DISTINCT partner_id FROM ticket_deltas

-- name: forget_old_spans
DELETE FROM activation_spans WHERE span < LEAST(:before, database_clock() - :age_max::interval)

-- name: forget_old_days
WITH refusals AS (DELETE FROM refusal_days WHERE day < LEAST(:before, (database_clock() AT TIME ZONE :zone - :age_max::interval)::date))
DELETE FROM sales_days WHERE day < LEAST(:before, (database_clock() AT TIME ZONE :zone - :age_max::interval)::date)

-- name: forget_old_gate_counts
DELETE FROM gate_counts WHERE day < LEAST(:before, (database_clock() AT TIME ZONE :zone - :age_max::interval)::date)

-- name: only_one
SELECT pg_try_advisory_xact_lock(:lock::bigint) AS mine

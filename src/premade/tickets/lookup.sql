-- name: ticket_by_code
SELECT t.ticket_code, t.qr_code, t.status, t.entitlements, t.product_id, t.batch_id, t.issue_number, t.price,
       t.currency, t.valid_until, t.usable_until, t.first_used_at, t.created_at, t.activated_at, t.order_id
FROM pre_generated_tickets t
WHERE t.partner_id = :partner_id AND t.ticket_code = :ticket_code

-- name: ticket_with_history
-- One statement, so that the ticket and its history agree. The batch has the event of the generation, once for all tickets.
SELECT t.ticket_code, t.qr_code, t.status, t.entitlements, t.product_id, t.batch_id, t.issue_number, t.price,
       t.currency, t.valid_until, t.usable_until, t.first_used_at, t.created_at, t.activated_at, t.order_id,
       (
           SELECT coalesce(jsonb_agg(
               jsonb_build_object(
                   'event', e.event, 'occurred_at', e.occurred_at, 'order_id', e.order_id, 'actor', e.actor,
                   'data', e.data
               )
               ORDER BY e.occurred_at, e.event_id
           ), '[]')
           FROM (
               SELECT event_id, event, actor, occurred_at, order_id, data FROM audit_events
               WHERE partner_id = :partner_id AND ticket_code = t.ticket_code AND event = ANY(:events)
                   -- These conditions on the time select months. A day more, because the clocks of several services differ.
                   AND occurred_at >= least(t.created_at, t.activated_at, t.first_used_at) - interval '1 day'
               UNION ALL
               (
                   SELECT event_id, :generated::text, actor, t.created_at, order_id, data FROM audit_events
                   WHERE partner_id = :partner_id AND batch_id = t.batch_id AND ticket_code IS NULL
                       AND event = ANY(:events_of_batch)
                       AND occurred_at <= t.created_at + interval '1 day'
                       AND occurred_at >= (
                           SELECT created_at FROM batches WHERE partner_id = :partner_id AND batch_id = t.batch_id
                       ) - interval '1 day'
                   ORDER BY occurred_at, event_id
                   LIMIT 1
               )
               ORDER BY occurred_at DESC, event_id DESC
               LIMIT :events_max
           ) AS e
       ) AS history,
       (
           SELECT ends_at FROM audit_archives
           WHERE month >= date_trunc('month', t.created_at AT TIME ZONE 'UTC')::date
           ORDER BY month DESC LIMIT 1
       ) AS archived_before
FROM pre_generated_tickets t
WHERE t.partner_id = :partner_id AND t.ticket_code = :ticket_code

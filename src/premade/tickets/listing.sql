-- name: tickets_by_time
-- The last row that a page reads is returned even if it does not match: the next page begins there.
WITH rows_read AS (
    SELECT t.ticket_id, t.ticket_code, t.qr_code, t.status, t.entitlements, t.product_id, t.batch_id, t.issue_number,
           t.price, t.currency, t.valid_until, t.usable_until, t.first_used_at, t.created_at, t.activated_at,
           t.order_id,
           row_number() OVER (ORDER BY t.created_at DESC, t.ticket_id DESC) AS place,
           (:status::text IS NULL OR t.status = :status)
               AND (:product_id::bigint IS NULL OR t.product_id = :product_id)
               AND (:activated_from::timestamptz IS NULL OR t.activated_at >= :activated_from)
               AND (:activated_before::timestamptz IS NULL OR t.activated_at < :activated_before) AS matches
    FROM pre_generated_tickets t
    WHERE t.partner_id = :partner_id
        AND (t.created_at, t.ticket_id) < (
            coalesce(:after_created_at::timestamptz, 'infinity'), coalesce(:after_ticket_id, 9223372036854775807)
        )
        AND t.created_at >= coalesce(:created_from::timestamptz, '-infinity')
        AND t.created_at < coalesce(:created_before::timestamptz, 'infinity')
    ORDER BY t.created_at DESC, t.ticket_id DESC
    LIMIT :rows_read_max
)
SELECT * FROM rows_read WHERE matches OR place = :rows_read_max
ORDER BY created_at DESC, ticket_id DESC
LIMIT :rows

-- name: tickets_of_batch
-- In the order of the index tickets_by_batch: within a batch, a later ticket has a higher code. A code begins with at most
-- 12 letters, so 13 times Z sorts after every code.
WITH rows_read AS (
    SELECT t.ticket_id, t.ticket_code, t.qr_code, t.status, t.entitlements, t.product_id, t.batch_id, t.issue_number,
           t.price, t.currency, t.valid_until, t.usable_until, t.first_used_at, t.created_at, t.activated_at,
           t.order_id,
           row_number() OVER (ORDER BY t.ticket_code DESC) AS place,
           t.created_at >= coalesce(:created_from::timestamptz, '-infinity')
               AND t.created_at < coalesce(:created_before::timestamptz, 'infinity')
               AND (:status::text IS NULL OR t.status = :status)
               AND (:product_id::bigint IS NULL OR t.product_id = :product_id)
               AND (:activated_from::timestamptz IS NULL OR t.activated_at >= :activated_from)
               AND (:activated_before::timestamptz IS NULL OR t.activated_at < :activated_before) AS matches
    FROM pre_generated_tickets t
    WHERE t.partner_id = :partner_id AND t.batch_id = :batch_id
        AND t.ticket_code < coalesce(:after_ticket_code, 'ZZZZZZZZZZZZZ')
    ORDER BY t.ticket_code DESC
    LIMIT :rows_read_max
)
SELECT * FROM rows_read WHERE matches OR place = :rows_read_max
ORDER BY ticket_code DESC
LIMIT :rows

-- name: tickets_of_payment
-- By the orders of the payment, newest first. Each order has the codes of its tickets.
WITH rows_read AS (
    SELECT o.order_id || '' AS paid_by, t.ticket_id, t.ticket_code, t.qr_code, t.status, t.entitlements, t.product_id,
           t.batch_id, t.issue_number, t.price, t.currency, t.valid_until, t.usable_until, t.first_used_at,
           t.created_at, t.activated_at, t.order_id,
           row_number() OVER (ORDER BY o.order_id || '' DESC, t.ticket_code) AS place,
           (:batch_id::text IS NULL OR t.batch_id = :batch_id)
               AND t.created_at >= coalesce(:created_from::timestamptz, '-infinity')
               AND t.created_at < coalesce(:created_before::timestamptz, 'infinity')
               AND (:status::text IS NULL OR t.status = :status)
               AND (:product_id::bigint IS NULL OR t.product_id = :product_id)
               AND (:activated_from::timestamptz IS NULL OR t.activated_at >= :activated_from)
               AND (:activated_before::timestamptz IS NULL OR t.activated_at < :activated_before) AS matches
    FROM ota_orders o
    CROSS JOIN LATERAL unnest(o.ticket_codes) AS named (ticket_code)
    -- LIMIT makes the planner look up each code. It assumes ten tickets for each order, and could otherwise join with the
    -- whole table.
    JOIN LATERAL (
        SELECT * FROM pre_generated_tickets
        WHERE ticket_code = named.ticket_code AND partner_id = :partner_id
        LIMIT 1
    ) AS t ON true
    -- The expressions of the index ota_orders_by_payment.
    WHERE o.payment_reference = :payment_reference AND o.partner_id + 0 = :partner_id AND o.partner_id = :partner_id
        AND o.order_id || '' <= coalesce(:after_paid_by, 'P')
        AND (o.order_id || '' < coalesce(:after_paid_by, 'P') OR t.ticket_code > :after_ticket_code)
    ORDER BY o.order_id || '' DESC, t.ticket_code
    LIMIT :rows_read_max
)
SELECT * FROM rows_read WHERE matches OR place = :rows_read_max
ORDER BY paid_by DESC, ticket_code
LIMIT :rows

-- name: order_by_id
SELECT o.order_id, o.status, o.customer_name, o.customer_email, o.customer_phone, o.payment_reference,
       o.total_amount, o.currency, o.created_at, o.ticket_codes, o.customer_erased_at
FROM ota_orders o
WHERE o.partner_id = :partner_id AND o.order_id = :order_id

-- name: orders_by_id
-- The last row that a page reads is returned even if it does not match: the next page begins there.
WITH rows_read AS (
    SELECT o.partner_id, o.order_id, o.status, o.customer_name, o.customer_email, o.customer_phone, o.payment_reference,
           o.total_amount, o.currency, o.created_at, o.ticket_codes, o.customer_erased_at,
           row_number() OVER (ORDER BY o.partner_id DESC, o.order_id DESC) AS place,
           o.created_at >= coalesce(:created_from::timestamptz, '-infinity')
               AND o.created_at < coalesce(:created_before::timestamptz, 'infinity') AS matches
    FROM ota_orders o
    -- The comparison of row pairs keeps the planner from reading the orders of all partners.
    WHERE (o.partner_id, o.order_id) < (:partner_id, coalesce(:after_order_id, 'P'))
        AND (o.partner_id, o.order_id) >= (:partner_id, :oldest_id)
        -- As in batches_by_time: only for the partition of a spread table.
        AND (o.partner_id = :partner_id OR o.partner_id = ANY (ARRAY[:partner_id]))
    ORDER BY o.partner_id DESC, o.order_id DESC
    LIMIT :rows_read_max
)
SELECT * FROM rows_read WHERE matches OR place = :rows_read_max
ORDER BY partner_id DESC, order_id DESC
LIMIT :rows

-- name: orders_of_payment
-- The same, with the expressions of the index ota_orders_by_payment.
WITH rows_read AS (
    SELECT o.order_id || '' AS by_id, o.order_id, o.status, o.customer_name, o.customer_email, o.customer_phone, o.payment_reference,
           o.total_amount, o.currency, o.created_at, o.ticket_codes, o.customer_erased_at,
           row_number() OVER (ORDER BY o.order_id || '' DESC) AS place,
           o.created_at >= coalesce(:created_from::timestamptz, '-infinity')
               AND o.created_at < coalesce(:created_before::timestamptz, 'infinity') AS matches
    FROM ota_orders o
    WHERE o.payment_reference = :payment_reference AND o.partner_id + 0 = :partner_id AND o.partner_id = :partner_id
        AND o.order_id || '' < coalesce(:after_order_id, 'P') AND o.order_id || '' >= :oldest_id
    ORDER BY o.order_id || '' DESC
    LIMIT :rows_read_max
)
SELECT * FROM rows_read WHERE matches OR place = :rows_read_max
ORDER BY by_id DESC
LIMIT :rows

-- name: batches_by_time
-- Each batch with its tickets by state. Counting them takes time, so a page counts a limited number of tickets.
SELECT b.batch_id, b.product_id, b.quantity, b.price, b.currency, b.valid_until, b.usable_days, b.usable_until,
       b.reservation_id, b.metadata, b.created_at, b.to_make, b.unmade, b.tickets_before, b.place, b.matches, counted.*
FROM (
    SELECT l.*, sum(quantity) OVER (ORDER BY partner_id + 0 DESC, created_at DESC, batch_id DESC) - quantity AS tickets_before
    FROM (
        SELECT batches.*,
               row_number() OVER (ORDER BY partner_id + 0 DESC, created_at DESC, batch_id DESC) AS place,
               (:product_id::bigint IS NULL OR product_id = :product_id)
                   AND (:status::text IS NULL
                        OR :status = CASE WHEN to_make > 0 THEN 'MAKING' WHEN unmade > 0 THEN 'STOPPED' ELSE 'MADE' END
                   ) AS matches
        FROM batches
        -- The expressions of the index batches_by_partner. The comparison of rows of three keeps the planner from reading the
        -- batches of all partners.
        WHERE (partner_id + 0, created_at, batch_id) < (
                :partner_id, coalesce(:after_created_at::timestamptz, 'infinity'), coalesce(:after_batch_id, '')
            )
            AND (partner_id + 0, created_at, batch_id) >= (
                :partner_id, coalesce(:created_from::timestamptz, '-infinity'), ''
            )
            -- By this condition the planner finds the partition of a spread table. It uses no index for an OR, so it still chooses
            -- the index for the lines above.
            AND (partner_id = :partner_id OR partner_id = ANY (ARRAY[:partner_id]))
        ORDER BY partner_id + 0 DESC, created_at DESC, batch_id DESC
        LIMIT :rows_read_max
    ) AS l
    WHERE matches OR place = :rows_read_max
    ORDER BY partner_id + 0 DESC, created_at DESC, batch_id DESC
    LIMIT :rows
) AS b
CROSS JOIN LATERAL tickets_by_state(:partner_id, b.batch_id, b.tickets_before < :rows_read_max) AS counted
ORDER BY b.created_at DESC, b.batch_id DESC

-- name: batch_by_id
SELECT b.batch_id, b.product_id, b.channel, b.quantity, b.price, b.currency, b.valid_until, b.usable_days, b.usable_until,
       b.reservation_id, b.metadata, b.created_at, b.to_make, b.unmade, counted.*
FROM batches b
CROSS JOIN LATERAL tickets_by_state(:partner_id, b.batch_id, true) AS counted
WHERE b.partner_id = :partner_id AND b.batch_id = :batch_id

-- name: batches_of_all
-- The batches of all partners, in the order of the index batches_by_time.
SELECT b.partner_id, b.batch_id, b.product_id, b.quantity, b.price, b.currency, b.valid_until, b.created_at,
       b.to_make, b.unmade, b.tickets_before, b.place, b.matches, counted.*
FROM (
    SELECT l.*, sum(quantity) OVER (ORDER BY created_at DESC, partner_id DESC, batch_id DESC) - quantity AS tickets_before
    FROM (
        SELECT batches.*, row_number() OVER (ORDER BY created_at DESC, partner_id DESC, batch_id DESC) AS place,
               (:product_id::bigint IS NULL OR product_id = :product_id)
                   AND (:status::text IS NULL
                        OR :status = CASE WHEN to_make > 0 THEN 'MAKING' WHEN unmade > 0 THEN 'STOPPED' ELSE 'MADE' END
                   ) AS matches
        FROM batches
        WHERE created_at <= coalesce(:after_created_at::timestamptz, 'infinity')
            AND (created_at, partner_id, batch_id) < (
                coalesce(:after_created_at::timestamptz, 'infinity'), coalesce(:after_partner_id, 0),
                coalesce(:after_batch_id, '')
            )
        ORDER BY created_at DESC, partner_id DESC, batch_id DESC
        LIMIT :rows_read_max
    ) AS l
    WHERE matches OR place = :rows_read_max
    ORDER BY created_at DESC, partner_id DESC, batch_id DESC
    LIMIT :rows
) AS b
CROSS JOIN LATERAL tickets_by_state(b.partner_id, b.batch_id, b.tickets_before < :rows_read_max) AS counted
ORDER BY b.created_at DESC, b.partner_id DESC, b.batch_id DESC

-- name: issued_of_product
-- Batches of all partners, for the operator who changes the product.
SELECT coalesce(sum(quantity - unmade), 0)::bigint AS tickets, count(*) AS batches
FROM batches WHERE product_id = :product_id

-- name: add_product
INSERT INTO products (
    product_id, name, ticket_type, code_prefix, price, currency, usable_days, usable_until, cancellation, names, created_at
)
VALUES (
    :product_id, :name, :ticket_type, :code_prefix, :price, :currency, :usable_days, :usable_until, :cancellation, :names::jsonb, both_clocks(:now)
)

-- name: change_product
UPDATE products
SET name = :name, ticket_type = :ticket_type, code_prefix = :code_prefix, price = :price, currency = :currency,
    usable_days = :usable_days, usable_until = :usable_until, cancellation = :cancellation, names = :names::jsonb
WHERE product_id = :product_id

-- name: forget_functions
DELETE FROM product_functions WHERE product_id = :product_id

-- name: add_functions
INSERT INTO product_functions (product_id, function_code, uses, position)
SELECT :product_id::bigint, f.function_code, f.uses, f.position
FROM jsonb_to_recordset(:functions::jsonb) AS f (function_code text, uses integer, position smallint)

-- name: list_products
SELECT p.product_id, p.name, p.ticket_type, p.code_prefix, p.price, p.currency,
       p.usable_days, p.usable_until, p.cancellation, p.names,
       -- As json: jsonb would not keep the order.
       coalesce(
           json_object_agg(f.function_code, f.uses ORDER BY f.position) FILTER (WHERE f.uses IS NOT NULL), '{}'
       ) AS functions
FROM products p LEFT JOIN product_functions f USING (product_id)
WHERE (:product_id::bigint IS NULL OR p.product_id = :product_id) AND p.product_id > coalesce(:after_product_id, 0)
    AND (
        :sought::text IS NULL OR p.product_id::text = :sought OR position(lower(normalize(:sought, NFKC)) IN lower(normalize(p.name, NFKC))) > 0
    )
GROUP BY p.product_id
ORDER BY p.product_id
LIMIT :rows

-- name: lock_product
SELECT product_id FROM products WHERE product_id = :product_id FOR NO KEY UPDATE

-- name: list_functions
SELECT function_code FROM product_functions GROUP BY function_code ORDER BY function_code

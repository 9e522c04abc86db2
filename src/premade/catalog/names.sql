-- name: function_names
-- Every function that a product has or had a name for.
SELECT coalesce(f.function_code, n.function_code) AS function_code, coalesce(n.names, '{}') AS names
FROM (SELECT function_code FROM product_functions GROUP BY function_code) f
FULL JOIN function_names n USING (function_code)
ORDER BY 1

-- name: names_of_product
SELECT p.name, p.names,
       -- As json: jsonb would not keep the order.
       coalesce(
           json_object_agg(f.function_code, coalesce(n.names, '{}') ORDER BY f.position) FILTER (WHERE f.uses IS NOT NULL), '{}'
       ) AS functions
FROM products p
LEFT JOIN product_functions f USING (product_id)
LEFT JOIN function_names n USING (function_code)
WHERE p.product_id = :product_id
GROUP BY p.product_id

-- name: set_names
INSERT INTO function_names (function_code, names) VALUES (:function_code, :names::jsonb)
ON CONFLICT (function_code) DO UPDATE SET names = excluded.names

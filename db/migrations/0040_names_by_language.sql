-- Names for guests and guards, by language tag: {"zh-Hant": "茶點套餐"}. Without one, people see the product's name or the
-- function's code.
ALTER TABLE products ADD COLUMN names jsonb NOT NULL DEFAULT '{}';

-- A function has the same names in all products.
CREATE TABLE function_names (
    function_code text NOT NULL,
    names jsonb NOT NULL,
    CONSTRAINT function_names_pkey PRIMARY KEY (function_code),
    CONSTRAINT function_names_object CHECK (jsonb_typeof(names) = 'object')
);

DO $$
BEGIN
    PERFORM copy_rights('attempts', 'function_names');
END
$$;

-- What is sold, and how much of it each channel may sell.

CREATE TABLE products (
    product_id bigint CONSTRAINT products_pkey PRIMARY KEY
        CONSTRAINT product_id_positive CHECK (product_id > 0),
    name text NOT NULL CONSTRAINT product_name_length CHECK (length(name) BETWEEN 1 AND 200),
    ticket_type text NOT NULL CONSTRAINT product_ticket_type CHECK (ticket_type ~ '^[A-Z]{2,12}$'),
    code_prefix text NOT NULL DEFAULT 'CRUISE'
        CONSTRAINT product_code_prefix CHECK (code_prefix ~ '^[A-Z]{2,12}$'),
    price numeric(12, 2) NOT NULL CONSTRAINT product_price_not_negative CHECK (price >= 0),
    currency text NOT NULL CONSTRAINT product_currency_is_iso_4217 CHECK (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL
);

CREATE TABLE product_functions (
    product_id bigint NOT NULL CONSTRAINT product_functions_product REFERENCES products,
    function_code text NOT NULL
        CONSTRAINT function_code_form CHECK (function_code ~ '^[a-z][a-z0-9_]{0,63}$'),
    uses integer NOT NULL CONSTRAINT function_uses_within_limit CHECK (uses BETWEEN 1 AND 10000),
    position smallint NOT NULL,
    CONSTRAINT product_functions_pkey PRIMARY KEY (product_id, function_code)
);

CREATE TABLE allotments (
    product_id bigint NOT NULL CONSTRAINT allotments_product REFERENCES products,
    channel text NOT NULL CONSTRAINT allotments_channel REFERENCES channels,
    allotted integer NOT NULL CONSTRAINT allotted_not_negative CHECK (allotted >= 0),
    issued integer NOT NULL DEFAULT 0 CONSTRAINT issued_not_negative CHECK (issued >= 0),
    held integer NOT NULL DEFAULT 0 CONSTRAINT held_not_negative CHECK (held >= 0),
    CONSTRAINT allotments_pkey PRIMARY KEY (product_id, channel),
    CONSTRAINT available_not_negative CHECK (allotted - issued - held >= 0)
-- Each batch rewrites its row: free space in the page keeps those updates away from the index.
) WITH (fillfactor = 50);

-- When the customer of an order was erased. Null: not erased.
ALTER TABLE ota_orders ADD COLUMN customer_erased_at timestamptz;

-- How far the service has read the orders, to erase customers after the time that the operator sets.
-- At most one row. The first pass adds it, so that a dump of the data alone can be loaded into a new schema.
CREATE TABLE customer_retention (
    is_only boolean NOT NULL DEFAULT true CONSTRAINT customer_retention_pkey PRIMARY KEY,
    -- The last order that was read in this pass; '' before the first one.
    last_order_id text NOT NULL DEFAULT '',
    pass_ended_at timestamptz,
    CONSTRAINT customer_retention_has_one_row CHECK (is_only)
);

-- The service reads and writes it, with a role that may not own the tables.
DO $$
BEGIN
    PERFORM copy_rights('ota_orders', 'customer_retention');
END
$$;

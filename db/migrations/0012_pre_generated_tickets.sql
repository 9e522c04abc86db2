-- Batches, tickets and the orders that activation makes.

-- The 13 digits of a ticket code and of an order id are a logical clock in milliseconds:
-- max(now, last + 1), so they are unique and increasing, and agree with the time at any human rate.
CREATE SEQUENCE ticket_code_ms;
CREATE SEQUENCE order_id_ms;

-- Takes `n` consecutive ticks of `clock` and answers the first. The advisory lock is held for this call
-- only, not to the end of the transaction: nobody waits for another's commit. The handler gives it back
-- when the call is cancelled, since a session's lock would outlive the transaction.
CREATE FUNCTION take_logical_ms(clock regclass, n bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lock_space CONSTANT integer := 1886547309;
    first_ms bigint;
BEGIN
    PERFORM pg_advisory_lock(lock_space, clock::oid::integer);
    BEGIN
        first_ms := greatest(
            floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
            coalesce(pg_sequence_last_value(clock), 0) + 1
        );
        PERFORM setval(clock, first_ms + n - 1);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(lock_space, clock::oid::integer);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(lock_space, clock::oid::integer);
    RETURN first_ms;
END
$$;

CREATE TABLE signing_keys (
    key_id text CONSTRAINT signing_keys_pkey PRIMARY KEY
        CONSTRAINT signing_key_id_form CHECK (key_id ~ '^K[0-9]{1,3}$'),
    seed bytea NOT NULL CONSTRAINT signing_key_seed_is_ed25519 CHECK (octet_length(seed) = 32),
    public_key bytea NOT NULL
        CONSTRAINT signing_key_public_is_ed25519 CHECK (octet_length(public_key) = 32),
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);

CREATE TABLE batches (
    partner_id bigint NOT NULL CONSTRAINT batches_partner REFERENCES partners,
    batch_id text NOT NULL CONSTRAINT batch_id_form CHECK (batch_id ~ '^[A-Za-z0-9._:-]{1,64}$'),
    product_id bigint NOT NULL CONSTRAINT batches_product REFERENCES products,
    channel text NOT NULL CONSTRAINT batches_channel REFERENCES channels,
    quantity integer NOT NULL CONSTRAINT batch_quantity_positive CHECK (quantity > 0),
    -- As they were when the batch was made; a later change of the product does not reach it.
    entitlements jsonb NOT NULL,
    price numeric(12, 2) NOT NULL,
    currency text NOT NULL,
    valid_until date,
    metadata jsonb,
    signing_key_id text NOT NULL CONSTRAINT batches_signing_key REFERENCES signing_keys,
    idempotency_key text,
    request_digest bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT batch_id_taken PRIMARY KEY (partner_id, batch_id)
);

CREATE UNIQUE INDEX batches_idempotency_key_taken ON batches (partner_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE ota_orders (
    order_id text CONSTRAINT ota_orders_pkey PRIMARY KEY
        CONSTRAINT order_id_form CHECK (order_id ~ '^ORD-[0-9]{13}$'),
    partner_id bigint NOT NULL CONSTRAINT ota_orders_partner REFERENCES partners,
    customer_name text NOT NULL,
    customer_email text NOT NULL,
    customer_phone text NOT NULL,
    payment_reference text NOT NULL,
    total_amount numeric(12, 2) NOT NULL,
    currency text NOT NULL,
    status text NOT NULL DEFAULT 'CONFIRMED'
        CONSTRAINT order_status_known CHECK (status IN ('CONFIRMED', 'PARTLY_CANCELLED', 'CANCELLED')),
    operation text NOT NULL,
    idempotency_key text,
    request_digest bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT ota_orders_by_partner UNIQUE (partner_id, order_id)
);

CREATE UNIQUE INDEX ota_orders_idempotency_key_taken
    ON ota_orders (partner_id, operation, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE pre_generated_tickets (
    ticket_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pre_generated_tickets_pkey PRIMARY KEY,
    ticket_code text NOT NULL CONSTRAINT ticket_code_taken UNIQUE
        CONSTRAINT ticket_code_form CHECK (ticket_code ~ '^[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}$'),
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL CONSTRAINT tickets_product REFERENCES products,
    batch_id text NOT NULL,
    -- The QR token, in base64.
    qr_code text NOT NULL,
    issue_number integer NOT NULL DEFAULT 1
        CONSTRAINT issue_number_within_limit CHECK (issue_number BETWEEN 1 AND 999),
    status text NOT NULL DEFAULT 'PRE_GENERATED'
        CONSTRAINT ticket_status_known
        CHECK (status IN ('PRE_GENERATED', 'ACTIVE', 'USED', 'EXPIRED', 'CANCELLED')),
    entitlements jsonb NOT NULL
        CONSTRAINT ticket_entitlements_are_a_list CHECK (jsonb_typeof(entitlements) = 'array'),
    price numeric(12, 2) NOT NULL,
    currency text NOT NULL,
    valid_until date,
    created_at timestamptz NOT NULL,
    activated_at timestamptz,
    order_id text,
    CONSTRAINT tickets_batch FOREIGN KEY (partner_id, batch_id) REFERENCES batches (partner_id, batch_id),
    -- The order of a ticket is always the same partner's.
    CONSTRAINT tickets_order FOREIGN KEY (partner_id, order_id)
        REFERENCES ota_orders (partner_id, order_id),
    CONSTRAINT ticket_sold_exactly_with_an_order CHECK (
        CASE
            WHEN status IN ('ACTIVE', 'USED') THEN order_id IS NOT NULL AND activated_at IS NOT NULL
            WHEN status IN ('PRE_GENERATED', 'EXPIRED') THEN order_id IS NULL AND activated_at IS NULL
            ELSE (order_id IS NULL) = (activated_at IS NULL)
        END
    )
);

CREATE INDEX tickets_by_batch ON pre_generated_tickets (partner_id, batch_id, ticket_code);
CREATE INDEX tickets_by_order ON pre_generated_tickets (partner_id, order_id) WHERE order_id IS NOT NULL;

CREATE FUNCTION refuse_ticket_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ticket state machine: % of ticket % is refused', TG_ARGV[0], coalesce(OLD.ticket_code, NEW.ticket_code)
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ticket_state_machine', TABLE = TG_TABLE_NAME;
END
$$;

-- The conditions stand in the triggers, so that an allowed change never calls the function.
CREATE TRIGGER ticket_starts_pre_generated BEFORE INSERT ON pre_generated_tickets
    FOR EACH ROW WHEN (NEW.status <> 'PRE_GENERATED')
    EXECUTE FUNCTION refuse_ticket_change('a start in another state');

CREATE TRIGGER ticket_changes_state_as_allowed BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        OLD.status <> NEW.status
        AND (OLD.status, NEW.status) NOT IN (
            ('PRE_GENERATED', 'ACTIVE'), ('ACTIVE', 'USED'), ('PRE_GENERATED', 'EXPIRED'),
            ('PRE_GENERATED', 'CANCELLED'), ('ACTIVE', 'CANCELLED')
        )
    )
    EXECUTE FUNCTION refuse_ticket_change('that change of state');

CREATE TRIGGER ticket_keeps_its_identity BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        OLD.ticket_code <> NEW.ticket_code OR OLD.partner_id <> NEW.partner_id
        OR OLD.product_id <> NEW.product_id OR OLD.batch_id <> NEW.batch_id
        OR OLD.price <> NEW.price OR OLD.currency <> NEW.currency OR OLD.created_at <> NEW.created_at
        OR (OLD.order_id IS NOT NULL AND OLD.order_id IS DISTINCT FROM NEW.order_id)
        OR (OLD.activated_at IS NOT NULL AND OLD.activated_at IS DISTINCT FROM NEW.activated_at)
        OR NEW.issue_number < OLD.issue_number
    )
    EXECUTE FUNCTION refuse_ticket_change('a change of identity');

CREATE TRIGGER ticket_is_never_deleted BEFORE DELETE ON pre_generated_tickets
    FOR EACH ROW EXECUTE FUNCTION refuse_ticket_change('deletion');

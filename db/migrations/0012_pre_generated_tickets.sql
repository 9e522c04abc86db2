-- Batches, pre-generated tickets, and the orders that activation creates.

CREATE TABLE signing_keys (
    -- K1, K2, … sign live tickets; T1, T2, … sign test tickets.
    key_id text CONSTRAINT signing_keys_pkey PRIMARY KEY
        CONSTRAINT signing_key_id_form CHECK (key_id ~ '^[KT][0-9]{1,3}$'),
    seed bytea NOT NULL CONSTRAINT signing_key_seed_is_ed25519 CHECK (octet_length(seed) = 32),
    public_key bytea NOT NULL
        CONSTRAINT signing_key_public_is_ed25519 CHECK (octet_length(public_key) = 32),
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);

-- Batches

CREATE TABLE batches (
    partner_id bigint NOT NULL CONSTRAINT batches_partner REFERENCES partners,
    batch_id text NOT NULL CONSTRAINT batch_id_form CHECK (batch_id ~ '^[A-Za-z0-9._:-]{1,64}$'),
    product_id bigint NOT NULL CONSTRAINT batches_product REFERENCES products,
    channel text NOT NULL CONSTRAINT batches_channel REFERENCES channels,
    quantity integer NOT NULL CONSTRAINT batch_quantity_positive CHECK (quantity > 0),
    -- Entitlements, price, currency and days of use are copies: a later change of the product does not change the batch.
    entitlements jsonb NOT NULL,
    price numeric NOT NULL,
    currency text NOT NULL,
    valid_until date,
    metadata jsonb,
    signing_key_id text NOT NULL CONSTRAINT batches_signing_key REFERENCES signing_keys,
    idempotency_key text,
    request_digest bytea NOT NULL,
    created_at timestamptz NOT NULL,
    usable_days integer,
    usable_until date,
    reservation_id text CONSTRAINT batches_reservation REFERENCES reservations,
    -- When its unused tickets expired.
    expired_at timestamptz,
    -- A large batch is generated in many transactions; the first takes the stock of all its tickets. to_make: tickets that
    -- are still to be generated. unmade: tickets that never will be, since their stock was returned.
    to_make integer NOT NULL DEFAULT 0,
    unmade integer NOT NULL DEFAULT 0,
    CONSTRAINT batch_id_taken PRIMARY KEY (partner_id, batch_id),
    CONSTRAINT batch_price_fits_its_currency CHECK (fits_currency(price, currency)),
    CONSTRAINT batch_made_within_quantity CHECK (to_make >= 0 AND unmade >= 0 AND to_make + unmade <= quantity),
    CONSTRAINT batch_being_made_or_stopped CHECK (to_make = 0 OR unmade = 0)
);

CREATE UNIQUE INDEX batches_idempotency_key_taken ON batches (partner_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- The expressions `+ 0` here and `|| ''` below keep the planner from using these indexes for other queries while a table is
-- young and has no statistics.
CREATE INDEX batches_by_partner ON batches ((partner_id + 0), created_at, batch_id);
-- Finds the batches of the last days, for the rate at which an allotment is used.
CREATE INDEX batches_by_time ON batches (created_at);
CREATE INDEX batches_to_expire ON batches (valid_until) WHERE expired_at IS NULL AND valid_until IS NOT NULL;
-- Finds the oldest batch that is still to be generated. Only generating changes the column, no sale does.
CREATE INDEX batches_being_made ON batches (created_at) WHERE to_make + 0 > 0;

CREATE FUNCTION refuse_batch_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a batch is made once: that change of batch % is refused', OLD.batch_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'batch_is_made_once', TABLE = TG_TABLE_NAME;
END
$$;

-- A generated ticket stays generated, and a ticket whose stock was returned is not generated any more.
CREATE TRIGGER batch_is_made_once BEFORE UPDATE ON batches
    FOR EACH ROW WHEN (
        NEW.to_make > OLD.to_make OR NEW.unmade < OLD.unmade OR NEW.to_make + NEW.unmade > OLD.to_make + OLD.unmade
    )
    EXECUTE FUNCTION refuse_batch_change();

-- Orders

CREATE TABLE ota_orders (
    order_id text CONSTRAINT ota_orders_pkey PRIMARY KEY
        CONSTRAINT order_id_form CHECK (order_id ~ '^ORD-[0-9]{13}$'),
    partner_id bigint NOT NULL CONSTRAINT ota_orders_partner REFERENCES partners,
    customer_name text NOT NULL,
    customer_email text NOT NULL,
    customer_phone text NOT NULL,
    payment_reference text NOT NULL,
    -- Of up to 100 tickets.
    total_amount numeric NOT NULL,
    currency text NOT NULL,
    status text NOT NULL DEFAULT 'CONFIRMED'
        CONSTRAINT order_status_known CHECK (status IN ('CONFIRMED', 'PARTLY_CANCELLED', 'CANCELLED')),
    operation text NOT NULL,
    idempotency_key text,
    request_digest bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- In place of an index of tickets by order, which every activation would write.
    ticket_codes text[] NOT NULL,
    -- For the foreign key of tickets, and lists of a partner's orders.
    CONSTRAINT ota_orders_by_partner UNIQUE (partner_id, order_id),
    CONSTRAINT order_has_tickets CHECK (cardinality(ticket_codes) > 0),
    CONSTRAINT order_amount_fits_its_currency CHECK (fits_currency(total_amount, currency))
);

CREATE UNIQUE INDEX ota_orders_idempotency_key_taken
    ON ota_orders (partner_id, operation, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- A payment reference may repeat, also between partners. With the partner and the order, no other rows are read.
CREATE INDEX ota_orders_by_payment ON ota_orders (payment_reference, (partner_id + 0), (order_id || ''));
-- The console finds orders of all partners by customer. Every sale pays for both indexes, so they hold 8 bytes each: a hash of
-- the address, and the end of the phone number, which is how people of its country write it. With the time, the newest
-- orders of a customer are read without the others.
CREATE INDEX ota_orders_by_email ON ota_orders (hashtextextended(lower(customer_email), 0), created_at);
CREATE INDEX ota_orders_by_phone ON ota_orders (right(customer_phone, 7), created_at);

-- Tickets

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
    price numeric NOT NULL,
    currency text NOT NULL,
    -- The last day of sale.
    valid_until date,
    created_at timestamptz NOT NULL,
    activated_at timestamptz,
    order_id text,
    usable_days integer,
    -- The last day of use: set by generation, or by activation if usable_days counts from there.
    usable_until date,
    first_used_at timestamptz,
    CONSTRAINT tickets_batch FOREIGN KEY (partner_id, batch_id) REFERENCES batches (partner_id, batch_id),
    -- A ticket and its order belong to the same partner.
    CONSTRAINT tickets_order FOREIGN KEY (partner_id, order_id)
        REFERENCES ota_orders (partner_id, order_id),
    CONSTRAINT ticket_sold_exactly_with_an_order CHECK (
        CASE
            WHEN status IN ('ACTIVE', 'USED') THEN order_id IS NOT NULL AND activated_at IS NOT NULL
            WHEN status IN ('PRE_GENERATED', 'EXPIRED') THEN order_id IS NULL AND activated_at IS NULL
            ELSE (order_id IS NULL) = (activated_at IS NULL)
        END
    )
-- Room in each page for one or two new versions of a ticket of 650 bytes. Activation and the gate change no indexed column, so
-- PostgreSQL then writes one page for a sale and not five (HOT update).
) WITH (fillfactor = 85);

CREATE INDEX tickets_by_batch ON pre_generated_tickets (partner_id, batch_id, ticket_code);
CREATE INDEX tickets_by_time ON pre_generated_tickets (partner_id, created_at, ticket_id);

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

-- A ticket that was used cannot be cancelled, and only a use makes it USED.
CREATE TRIGGER ticket_changes_state_as_allowed BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        OLD.status <> NEW.status
        AND (
            (OLD.status, NEW.status) NOT IN (
                ('PRE_GENERATED', 'ACTIVE'), ('ACTIVE', 'USED'), ('PRE_GENERATED', 'EXPIRED'),
                ('PRE_GENERATED', 'CANCELLED'), ('ACTIVE', 'CANCELLED')
            )
            OR (NEW.status = 'CANCELLED' AND OLD.first_used_at IS NOT NULL)
            OR (NEW.status = 'USED' AND OLD.entitlements = NEW.entitlements)
        )
    )
    EXECUTE FUNCTION refuse_ticket_change('that change of state');

-- That a ticket was used decides whether it may be cancelled, so it is never forgotten. first_used_at may become earlier: a
-- device without network uploads its scan later. A ticket is USED exactly when no uses remain.
CREATE TRIGGER ticket_is_used_while_active BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        (OLD.first_used_at IS NOT NULL AND NEW.first_used_at IS NULL)
        OR (
            OLD.entitlements <> NEW.entitlements
            AND (
                OLD.status <> 'ACTIVE' OR NEW.status NOT IN ('ACTIVE', 'USED') OR NEW.first_used_at IS NULL
                OR jsonb_path_exists(NEW.entitlements, '$[*] ? (@.remaining_uses < 0)')
                OR (NEW.status = 'USED') = jsonb_path_exists(NEW.entitlements, '$[*] ? (@.remaining_uses > 0)')
            )
        )
    )
    EXECUTE FUNCTION refuse_ticket_change('that use');

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

-- A ticket keeps its price, so it is checked only when tickets are made, once for all of a statement with the same price.
-- A constraint would also be checked by each activation and each use.
CREATE FUNCTION refuse_ticket_price() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT price, currency INTO wrong
    FROM (SELECT DISTINCT price, currency FROM new_tickets) AS prices
    WHERE NOT fits_currency(price, currency) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a ticket at % %: the currency is unknown or has fewer decimals', wrong.price, wrong.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ticket_price_fits_its_currency', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER ticket_price_fits_its_currency AFTER INSERT ON pre_generated_tickets
    REFERENCING NEW TABLE AS new_tickets
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_ticket_price();

CREATE TRIGGER ticket_is_never_deleted BEFORE DELETE ON pre_generated_tickets
    FOR EACH ROW EXECUTE FUNCTION refuse_ticket_change('deletion');

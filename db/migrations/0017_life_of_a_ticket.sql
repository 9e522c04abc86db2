-- What happens to a ticket after it is made: holds, several tickets in one order, use at the gate, taking back.

-- How long a ticket is good after activation: so many days after that day, or until a fixed day, or for ever.
ALTER TABLE products
    ADD COLUMN usable_days integer CONSTRAINT product_usable_days CHECK (usable_days BETWEEN 0 AND 3650),
    ADD COLUMN usable_until date,
    ADD COLUMN cancellation text NOT NULL DEFAULT 'until_first_use'
        CONSTRAINT product_cancellation_known CHECK (cancellation IN ('until_first_use', 'never')),
    ADD CONSTRAINT product_usable_in_one_way CHECK (usable_days IS NULL OR usable_until IS NULL);

ALTER TABLE partners
    ADD COLUMN reservation_hours_max integer NOT NULL DEFAULT 168
        CONSTRAINT partner_reservation_hours CHECK (reservation_hours_max BETWEEN 1 AND 8760);

CREATE SEQUENCE reservation_id_ms;

CREATE TABLE reservations (
    reservation_id text CONSTRAINT reservations_pkey PRIMARY KEY
        CONSTRAINT reservation_id_form CHECK (reservation_id ~ '^RSV-[0-9]{13}$'),
    partner_id bigint NOT NULL CONSTRAINT reservations_partner REFERENCES partners,
    product_id bigint NOT NULL,
    channel text NOT NULL,
    quantity integer NOT NULL CONSTRAINT reservation_quantity_positive CHECK (quantity > 0),
    -- Made into tickets; the rest is held until the reservation ends.
    taken integer NOT NULL DEFAULT 0
        CONSTRAINT reservation_taken_within_quantity CHECK (taken BETWEEN 0 AND quantity),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- When its hold was given back to the allotment. One that has expired may not have been asked after yet.
    ended_at timestamptz,
    end_reason text
        CONSTRAINT reservation_end_reason_known CHECK (end_reason IN ('released', 'expired', 'used_up')),
    idempotency_key text,
    request_digest bytea NOT NULL,
    CONSTRAINT reservation_expires_later CHECK (expires_at > created_at),
    CONSTRAINT reservation_ends_for_a_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CONSTRAINT reservations_allotment FOREIGN KEY (product_id, channel) REFERENCES allotments (product_id, channel)
);

CREATE UNIQUE INDEX reservations_idempotency_key_taken ON reservations (partner_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX reservations_by_partner ON reservations (partner_id, reservation_id);
-- What holds of an allotment have expired and are still counted in its 'held'.
CREATE INDEX reservations_not_ended ON reservations (product_id, channel, expires_at) WHERE ended_at IS NULL;

-- As they were when the batch was made, like its price.
ALTER TABLE batches
    ADD COLUMN usable_days integer,
    ADD COLUMN usable_until date,
    ADD COLUMN reservation_id text CONSTRAINT batches_reservation REFERENCES reservations,
    -- When its unused tickets expired.
    ADD COLUMN expired_at timestamptz;

CREATE INDEX batches_by_partner ON batches (partner_id, created_at);
CREATE INDEX batches_to_expire ON batches (valid_until) WHERE expired_at IS NULL AND valid_until IS NOT NULL;

ALTER TABLE pre_generated_tickets
    ADD COLUMN usable_days integer,
    -- The last day of use. Fixed when the ticket is made, or when it is activated if 'usable_days' counts from there.
    ADD COLUMN usable_until date,
    ADD COLUMN first_used_at timestamptz;

-- Lists go by time. No column that activation or the gate changes stands in an index.
CREATE INDEX tickets_by_time ON pre_generated_tickets (partner_id, created_at, ticket_id);

-- Without the partner, so that no plan of a young table mistakes it for the index of order ids.
CREATE INDEX ota_orders_by_payment ON ota_orders (payment_reference);

DROP TRIGGER ticket_changes_state_as_allowed ON pre_generated_tickets;
CREATE TRIGGER ticket_changes_state_as_allowed BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        OLD.status <> NEW.status
        AND (
            (OLD.status, NEW.status) NOT IN (
                ('PRE_GENERATED', 'ACTIVE'), ('ACTIVE', 'USED'), ('PRE_GENERATED', 'EXPIRED'),
                ('PRE_GENERATED', 'CANCELLED'), ('ACTIVE', 'CANCELLED')
            )
            OR (NEW.status = 'CANCELLED' AND OLD.first_used_at IS NOT NULL)
        )
    )
    EXECUTE FUNCTION refuse_ticket_change('that change of state');

CREATE TRIGGER ticket_is_used_while_active BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        OLD.entitlements <> NEW.entitlements
        AND (
            OLD.status <> 'ACTIVE' OR NEW.status NOT IN ('ACTIVE', 'USED') OR NEW.first_used_at IS NULL
            OR jsonb_path_exists(NEW.entitlements, '$[*] ? (@.remaining_uses < 0)')
        )
    )
    EXECUTE FUNCTION refuse_ticket_change('that use');

-- The record of what happened is also the memory of what was asked for: a repeated Idempotency-Key, or a scan
-- that is sent again, finds here what it did. The changes since a snapshot are read by transaction id: event ids
-- are given out before the commit, so by them a late commit would be missed.
ALTER TABLE audit_events
    ADD COLUMN operation text,
    ADD COLUMN idempotency_key text,
    ADD COLUMN request_digest bytea,
    ADD COLUMN transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    ADD CONSTRAINT audit_key_with_its_request CHECK (
        (idempotency_key IS NULL) = (request_digest IS NULL) AND (idempotency_key IS NULL OR operation IS NOT NULL)
    );

CREATE UNIQUE INDEX audit_idempotency_key_taken ON audit_events (partner_id, operation, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX audit_events_by_transaction ON audit_events (transaction_id);

-- How often a code was typed in at a gate: by a device, or for a ticket, within a span of time.
CREATE TABLE manual_entries (
    subject text NOT NULL CONSTRAINT manual_entries_pkey PRIMARY KEY,
    span_began_at timestamptz NOT NULL,
    entries integer NOT NULL
);

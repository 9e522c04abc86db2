-- Partners and their API keys, the products, and how many tickets of each product a channel may sell.

-- Partners

CREATE TABLE channels (
    channel text CONSTRAINT channels_pkey PRIMARY KEY
        CONSTRAINT channel_name CHECK (channel ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    is_test boolean NOT NULL DEFAULT false,
    -- Only for the foreign key of partners.
    CONSTRAINT channels_channel_is_test UNIQUE (channel, is_test)
);

INSERT INTO channels (channel) VALUES ('ota');

CREATE TABLE partners (
    partner_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT partners_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT partners_name_taken UNIQUE
        CONSTRAINT partner_name_length CHECK (length(name) BETWEEN 1 AND 200),
    channel text NOT NULL,
    is_test boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    reservation_hours_max integer NOT NULL DEFAULT 168
        CONSTRAINT partner_reservation_hours CHECK (reservation_hours_max BETWEEN 1 AND 8760),
    -- The name without case, blanks, width and composition, so that no two partners have names that a reader confuses.
    -- The service computes it: lower case depends on the locale in PostgreSQL.
    name_key text NOT NULL,
    -- A test partner can never draw on live stock: the pair must exist as one channel.
    CONSTRAINT partner_and_channel_both_test_or_both_live
        FOREIGN KEY (channel, is_test) REFERENCES channels (channel, is_test)
);

CREATE UNIQUE INDEX partners_name_key_taken ON partners (name_key);

CREATE TABLE api_keys (
    key_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT api_keys_pkey PRIMARY KEY,
    -- NULL: a key of the operator.
    partner_id bigint CONSTRAINT api_keys_partner REFERENCES partners,
    prefix text NOT NULL CONSTRAINT api_keys_prefix_taken UNIQUE,
    digest bytea NOT NULL CONSTRAINT api_key_digest_is_sha256 CHECK (octet_length(digest) = 32),
    permissions text[] NOT NULL
        CONSTRAINT api_key_has_permissions CHECK (cardinality(permissions) > 0)
        CONSTRAINT api_key_permissions_known CHECK (permissions <@ ARRAY[
            'tickets:bulk-generate', 'tickets:activate', 'tickets:read', 'tickets:cancel',
            'inventory:read', 'inventory:reserve', 'orders:read', 'gate:redeem', 'gate:manual-entry'
        ]),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    rotated_from bigint CONSTRAINT api_keys_rotated_from REFERENCES api_keys,
    -- The nonce of the console's form. The key is shown once, so a form that is sent twice must not make two.
    made_once text CONSTRAINT api_key_made_once UNIQUE,
    -- A key of the operator that admits test tickets only. A partner's key is for tests if its partner is.
    is_test boolean NOT NULL DEFAULT false,
    -- The first key of a chain of rotations, NULL for that key itself: a rotated key keeps its devices.
    first_key_id bigint CONSTRAINT api_keys_first_key REFERENCES api_keys,
    CONSTRAINT api_key_test_mode_is_the_operators CHECK (NOT is_test OR partner_id IS NULL)
);

CREATE INDEX api_keys_by_partner ON api_keys (partner_id);

-- Catalog

-- Whether an amount has at most the decimals that ISO 4217 gives its currency. False for codes without a minor unit,
-- such as XXX, and for NaN and infinity. A test holds the list against the one of the service.
-- In PL/pgSQL, since a function in SQL, or the list itself in each constraint, is parsed again by each statement.
CREATE FUNCTION fits_currency(amount numeric, currency text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN coalesce(
        amount < 'Infinity' AND amount = round(
            amount,
            CASE
                WHEN currency IN (
                    'AED', 'AFN', 'ALL', 'AMD', 'AOA', 'ARS', 'AUD', 'AWG', 'AZN', 'BAM', 'BBD', 'BDT', 'BMD', 'BND',
                    'BOB', 'BOV', 'BRL', 'BSD', 'BTN', 'BWP', 'BYN', 'BZD', 'CAD', 'CDF', 'CHE', 'CHF', 'CHW', 'CNY',
                    'COP', 'COU', 'CRC', 'CUP', 'CVE', 'CZK', 'DKK', 'DOP', 'DZD', 'EGP', 'ERN', 'ETB', 'EUR', 'FJD',
                    'FKP', 'GBP', 'GEL', 'GHS', 'GIP', 'GMD', 'GTQ', 'GYD', 'HKD', 'HNL', 'HTG', 'HUF', 'IDR', 'ILS',
                    'INR', 'IRR', 'JMD', 'KES', 'KGS', 'KHR', 'KPW', 'KYD', 'KZT', 'LAK', 'LBP', 'LKR', 'LRD', 'LSL',
                    'MAD', 'MDL', 'MGA', 'MKD', 'MMK', 'MNT', 'MOP', 'MRU', 'MUR', 'MVR', 'MWK', 'MXN', 'MXV', 'MYR',
                    'MZN', 'NAD', 'NGN', 'NIO', 'NOK', 'NPR', 'NZD', 'PAB', 'PEN', 'PGK', 'PHP', 'PKR', 'PLN', 'QAR',
                    'RON', 'RSD', 'RUB', 'SAR', 'SBD', 'SCR', 'SDG', 'SEK', 'SGD', 'SHP', 'SLE', 'SOS', 'SRD', 'SSP',
                    'STN', 'SVC', 'SYP', 'SZL', 'THB', 'TJS', 'TMT', 'TOP', 'TRY', 'TTD', 'TWD', 'TZS', 'UAH', 'USD',
                    'USN', 'UYU', 'UZS', 'VED', 'VES', 'WST', 'XAD', 'XCD', 'XCG', 'YER', 'ZAR', 'ZMW', 'ZWG'
                ) THEN 2
                WHEN currency IN (
                    'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
                    'XAF', 'XOF', 'XPF'
                ) THEN 0
                WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
                WHEN currency IN ('CLF', 'UYW') THEN 4
            END
        ),
        false
    );
END
$$;

CREATE TABLE products (
    product_id bigint CONSTRAINT products_pkey PRIMARY KEY
        CONSTRAINT product_id_positive CHECK (product_id > 0),
    name text NOT NULL CONSTRAINT product_name_length CHECK (length(name) BETWEEN 1 AND 200),
    ticket_type text NOT NULL CONSTRAINT product_ticket_type CHECK (ticket_type ~ '^[A-Z]{2,12}$'),
    code_prefix text NOT NULL DEFAULT 'CRUISE'
        CONSTRAINT product_code_prefix CHECK (code_prefix ~ '^[A-Z]{2,12}$'),
    -- No fixed number of decimals: an amount keeps those of its currency, 288 JPY, 288.00 HKD, 1.234 KWD.
    price numeric NOT NULL CONSTRAINT product_price_not_negative CHECK (price >= 0)
        CONSTRAINT product_price_within_limit CHECK (price <= 9999999999.99),
    currency text NOT NULL CONSTRAINT product_currency_is_iso_4217 CHECK (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL,
    -- How long a ticket is valid after its activation: a number of days, or until a fixed day, or without end.
    usable_days integer CONSTRAINT product_usable_days CHECK (usable_days BETWEEN 0 AND 3650),
    usable_until date,
    cancellation text NOT NULL DEFAULT 'until_first_use'
        CONSTRAINT product_cancellation_known CHECK (cancellation IN ('until_first_use', 'never')),
    CONSTRAINT product_price_fits_its_currency CHECK (fits_currency(price, currency)),
    CONSTRAINT product_usable_in_one_way CHECK (usable_days IS NULL OR usable_until IS NULL)
);

CREATE TABLE product_functions (
    product_id bigint NOT NULL CONSTRAINT product_functions_product REFERENCES products,
    function_code text NOT NULL
        CONSTRAINT function_code_form CHECK (function_code ~ '^[a-z][a-z0-9_]{0,63}$'),
    uses integer NOT NULL CONSTRAINT function_uses_within_limit CHECK (uses BETWEEN 1 AND 10000),
    position smallint NOT NULL,
    CONSTRAINT product_functions_pkey PRIMARY KEY (product_id, function_code)
);

-- Stock

CREATE TABLE allotments (
    product_id bigint NOT NULL CONSTRAINT allotments_product REFERENCES products,
    channel text NOT NULL CONSTRAINT allotments_channel REFERENCES channels,
    allotted integer NOT NULL CONSTRAINT allotted_not_negative CHECK (allotted >= 0),
    issued integer NOT NULL DEFAULT 0 CONSTRAINT issued_not_negative CHECK (issued >= 0),
    -- Reserved and not yet issued.
    held integer NOT NULL DEFAULT 0 CONSTRAINT held_not_negative CHECK (held >= 0),
    CONSTRAINT allotments_pkey PRIMARY KEY (product_id, channel),
    -- Stock is never oversold.
    CONSTRAINT available_not_negative CHECK (allotted - issued - held >= 0)
-- Every batch updates its row. Free space in the page lets PostgreSQL do that without touching the index (HOT update).
) WITH (fillfactor = 50);

CREATE TABLE reservations (
    reservation_id text CONSTRAINT reservations_pkey PRIMARY KEY
        CONSTRAINT reservation_id_form CHECK (reservation_id ~ '^RSV-[0-9]{13}$'),
    partner_id bigint NOT NULL CONSTRAINT reservations_partner REFERENCES partners,
    product_id bigint NOT NULL,
    channel text NOT NULL,
    quantity integer NOT NULL CONSTRAINT reservation_quantity_positive CHECK (quantity > 0),
    -- How many became tickets. The rest is held until the reservation ends.
    taken integer NOT NULL DEFAULT 0
        CONSTRAINT reservation_taken_within_quantity CHECK (taken BETWEEN 0 AND quantity),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- When its hold returned to the allotment. That happens some time after expires_at: with the next writer of the stock.
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
-- Finds expired reservations that still count in an allotment's `held`.
CREATE INDEX reservations_not_ended ON reservations (product_id, channel, expires_at) WHERE ended_at IS NULL;

-- The operator's staff, who sign in to the console, and what they search by.

CREATE TABLE staff (
    staff_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT staff_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT staff_name_taken UNIQUE
        CONSTRAINT staff_name_form CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
    -- By argon2id, with its salt and its costs in it.
    password_digest text NOT NULL CONSTRAINT staff_password_is_argon2id CHECK (password_digest LIKE '$argon2id$%'),
    role text NOT NULL CONSTRAINT staff_role_known CHECK (role IN ('admin', 'operations', 'finance', 'gate')),
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);

-- Who is signed in. The token stands in the browser alone; here is its SHA-256.
CREATE TABLE staff_sessions (
    digest bytea CONSTRAINT staff_sessions_pkey PRIMARY KEY
        CONSTRAINT staff_session_digest_is_sha256 CHECK (octet_length(digest) = 32),
    staff_id bigint NOT NULL CONSTRAINT staff_sessions_staff REFERENCES staff,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT staff_session_expires_later CHECK (expires_at > created_at)
);

CREATE INDEX staff_sessions_by_staff ON staff_sessions (staff_id);
CREATE INDEX staff_sessions_by_expiry ON staff_sessions (expires_at);

-- How often a name or an address tried to sign in within a span of time. The subject is a digest: somebody may have
-- typed a password in place of a name.
CREATE TABLE sign_in_tries (
    subject bytea CONSTRAINT sign_in_tries_pkey PRIMARY KEY
        CONSTRAINT sign_in_subject_is_sha256 CHECK (octet_length(subject) = 32),
    span_began_at timestamptz NOT NULL,
    tries integer NOT NULL
);

CREATE INDEX sign_in_tries_by_time ON sign_in_tries (span_began_at);

-- The console finds a customer's orders, of whichever partner. Each sale pays for both, so they
-- keep 64 bits of the text in place of it: a third of the size, and no comparing of texts. With the time, the newest of
-- a customer with many orders are read without the others.
CREATE INDEX ota_orders_by_email ON ota_orders (hashtextextended(lower(customer_email), 0), created_at);
CREATE INDEX ota_orders_by_phone ON ota_orders (hashtextextended(customer_phone, 0), created_at);

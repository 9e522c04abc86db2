-- The operator's staff, who sign in to the console.

CREATE TABLE staff (
    staff_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT staff_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT staff_name_taken UNIQUE
        CONSTRAINT staff_name_form CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
    -- Contains its salt and its costs.
    password_digest text NOT NULL CONSTRAINT staff_password_is_argon2id CHECK (password_digest LIKE '$argon2id$%'),
    role text NOT NULL CONSTRAINT staff_role_known CHECK (role IN ('admin', 'operations', 'finance', 'gate')),
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);

-- The SHA-256 of the token in the session's cookie. The token itself is only in the browser.
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

-- Browsers that a member of staff signed in with before. They have a count of their own, so that somebody who guesses the
-- password elsewhere does not lock the member out.
CREATE TABLE staff_browsers (
    digest bytea CONSTRAINT staff_browsers_pkey PRIMARY KEY
        CONSTRAINT staff_browser_digest_is_sha256 CHECK (octet_length(digest) = 32),
    staff_id bigint NOT NULL CONSTRAINT staff_browsers_staff REFERENCES staff,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT staff_browser_expires_later CHECK (expires_at > created_at)
);

CREATE INDEX staff_browsers_by_staff ON staff_browsers (staff_id, created_at);

-- Sign-in attempts by name or address, within a span of time. The subject is a digest, since people type passwords in place of
-- names.
CREATE TABLE sign_in_tries (
    subject bytea CONSTRAINT sign_in_tries_pkey PRIMARY KEY
        CONSTRAINT sign_in_subject_is_sha256 CHECK (octet_length(subject) = 32),
    span_began_at timestamptz NOT NULL,
    tries integer NOT NULL
);

CREATE INDEX sign_in_tries_by_time ON sign_in_tries (span_began_at);

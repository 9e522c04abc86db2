-- Browsers that a member of the staff signed in with before. Whoever guesses that name elsewhere does not keep them out.
CREATE TABLE staff_browsers (
    digest bytea CONSTRAINT staff_browsers_pkey PRIMARY KEY
        CONSTRAINT staff_browser_digest_is_sha256 CHECK (octet_length(digest) = 32),
    staff_id bigint NOT NULL CONSTRAINT staff_browsers_staff REFERENCES staff,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT staff_browser_expires_later CHECK (expires_at > created_at)
);

CREATE INDEX staff_browsers_by_staff ON staff_browsers (staff_id, created_at);

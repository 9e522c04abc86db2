-- The authenticator app of a member of staff (TOTP, RFC 6238).
CREATE TABLE staff_second_factors (
    staff_id bigint CONSTRAINT staff_second_factors_pkey PRIMARY KEY
        CONSTRAINT staff_second_factor_of_a_member REFERENCES staff (staff_id),
    secret text NOT NULL,
    created_at timestamptz NOT NULL,
    -- The time step of the last accepted code. A code of this step, or of an earlier one, is refused.
    last_step bigint NOT NULL
);

-- Codes for a member whose phone is lost. Each works once, and is then deleted.
CREATE TABLE staff_recovery_codes (
    staff_id bigint NOT NULL CONSTRAINT staff_recovery_code_of_a_member REFERENCES staff (staff_id),
    digest bytea NOT NULL,
    CONSTRAINT staff_recovery_codes_pkey PRIMARY KEY (staff_id, digest),
    CONSTRAINT staff_recovery_code_digest_is_sha256 CHECK (octet_length(digest) = 32)
);

-- Sign-ins with a right password that wait for the code.
CREATE TABLE staff_half_sign_ins (
    digest bytea CONSTRAINT staff_half_sign_ins_pkey PRIMARY KEY,
    staff_id bigint NOT NULL CONSTRAINT staff_half_sign_in_of_a_member REFERENCES staff (staff_id),
    -- The password that was right. If it changes meanwhile, the sign-in ends.
    password_digest text NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT staff_half_sign_in_digest_is_sha256 CHECK (octet_length(digest) = 32)
);
CREATE INDEX staff_half_sign_ins_by_expiry ON staff_half_sign_ins (expires_at);

-- The service reads and writes them, with a role that may not own the tables.
DO $$
BEGIN
    PERFORM copy_rights('staff_sessions', 'staff_second_factors');
    PERFORM copy_rights('staff_sessions', 'staff_recovery_codes');
    PERFORM copy_rights('staff_sessions', 'staff_half_sign_ins');
END
$$;

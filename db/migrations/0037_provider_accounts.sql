-- The account of a member of staff at the identity provider (OpenID Connect). An account is an issuer and a subject.
CREATE TABLE staff_provider_accounts (
    staff_id bigint NOT NULL CONSTRAINT staff_provider_account_of_a_member REFERENCES staff (staff_id),
    issuer text NOT NULL,
    subject text NOT NULL,
    linked_at timestamptz NOT NULL,
    CONSTRAINT staff_provider_accounts_pkey PRIMARY KEY (staff_id, issuer),
    CONSTRAINT staff_provider_account_has_one_member UNIQUE (issuer, subject)
);

-- Whether the provider, and not a password, has identified the member.
ALTER TABLE staff_half_sign_ins ADD COLUMN by_provider boolean NOT NULL DEFAULT false;

-- The service reads and writes them, with a role that may not own the tables.
DO $$
BEGIN
    PERFORM copy_rights('staff_sessions', 'staff_provider_accounts');
END
$$;

-- Who may ask: channels, the partners that sell through them, and their API keys.

CREATE TABLE channels (
    channel text CONSTRAINT channels_pkey PRIMARY KEY
        CONSTRAINT channel_name CHECK (channel ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    is_test boolean NOT NULL DEFAULT false,
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
    -- A test partner can never draw on live stock: the pair must exist as one channel.
    CONSTRAINT partner_and_channel_both_test_or_both_live
        FOREIGN KEY (channel, is_test) REFERENCES channels (channel, is_test)
);

CREATE TABLE api_keys (
    key_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT api_keys_pkey PRIMARY KEY,
    -- NULL: the key is the operator's own.
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
    rotated_from bigint CONSTRAINT api_keys_rotated_from REFERENCES api_keys
);

CREATE INDEX api_keys_by_partner ON api_keys (partner_id);

-- The devices of gates. A device is registered by its first request, to an API key (the first one of its rotations) or to the
-- console. `state`: UNAPPROVED if the operator wants to approve each device before it is used.
CREATE TABLE gate_devices (
    gate_device_id bigint GENERATED ALWAYS AS IDENTITY,
    owner text NOT NULL,
    device_id text NOT NULL,
    -- The partner of the key. Null: a key of the operator, or the console.
    partner_id bigint,
    state text NOT NULL,
    registered_at timestamptz NOT NULL,
    registered_by text NOT NULL,
    last_used_at timestamptz NOT NULL,
    last_used_by text NOT NULL,
    CONSTRAINT gate_devices_pkey PRIMARY KEY (gate_device_id),
    CONSTRAINT gate_devices_unique UNIQUE (owner, device_id),
    CONSTRAINT gate_devices_of_partner FOREIGN KEY (partner_id) REFERENCES partners,
    CONSTRAINT gate_devices_state CHECK (state IN ('APPROVED', 'UNAPPROVED', 'REVOKED'))
);
CREATE INDEX gate_devices_registered_by ON gate_devices (registered_by, last_used_at);

DO $$
BEGIN
    PERFORM copy_rights('attempts', 'gate_devices');
END
$$;

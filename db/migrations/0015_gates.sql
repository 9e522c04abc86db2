-- What is counted at gates.

-- Events that are too frequent to be kept one by one, such as forged scans, by day and device. device_id '' counts all devices
-- beyond those that one owner may name in a day.
CREATE TABLE gate_counts (
    day date NOT NULL,
    owner text NOT NULL,
    device_id text NOT NULL,
    code text NOT NULL,
    partner_id bigint CONSTRAINT gate_counts_partner REFERENCES partners,
    counted bigint NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT gate_counts_pkey PRIMARY KEY (day, owner, device_id, code)
);

-- How often a code was typed in, by owner or by ticket, within a span of time: the limit against guessing.
CREATE TABLE manual_entries (
    subject text NOT NULL CONSTRAINT manual_entries_pkey PRIMARY KEY,
    span_began_at timestamptz NOT NULL,
    entries integer NOT NULL
);

-- Finds the old ones, which are deleted.
CREATE INDEX manual_entries_by_time ON manual_entries (span_began_at);

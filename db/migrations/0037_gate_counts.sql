-- What happens at gates too often to be kept one by one: so many a day, for each device. device_id '' stands for all
-- devices beyond those that one owner may name in a day.

CREATE TABLE gate_counts (
    day date NOT NULL,
    owner text NOT NULL,
    device_id text NOT NULL,
    code text NOT NULL,
    partner_id bigint CONSTRAINT gate_counts_partner REFERENCES partners (partner_id),
    counted bigint NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT gate_counts_pkey PRIMARY KEY (day, owner, device_id, code)
);

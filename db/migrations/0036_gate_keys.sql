-- An operator's key for tests admits test tickets only. A key that was rotated names the same devices as before:
-- first_key_id is the first key of the chain, null for that key itself.

ALTER TABLE api_keys
    ADD COLUMN is_test boolean NOT NULL DEFAULT false,
    ADD COLUMN first_key_id bigint CONSTRAINT api_keys_first_key REFERENCES api_keys (key_id),
    -- A partner's key is for tests where its partner is.
    ADD CONSTRAINT api_key_test_mode_is_the_operators CHECK (NOT is_test OR partner_id IS NULL);

WITH RECURSIVE chain AS (
    SELECT key_id, key_id AS first_key_id FROM api_keys WHERE rotated_from IS NULL
    UNION ALL
    SELECT k.key_id, c.first_key_id FROM api_keys k JOIN chain c ON k.rotated_from = c.key_id
)
UPDATE api_keys k SET first_key_id = c.first_key_id
FROM chain c WHERE c.key_id = k.key_id AND k.rotated_from IS NOT NULL;

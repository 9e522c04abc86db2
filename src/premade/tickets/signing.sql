-- name: current_key
-- The newest key for the partner's tickets: the one with the highest number. Times of several machines can differ.
SELECT key_id, seed, sealed_seed FROM signing_keys
WHERE retired_at IS NULL
    AND left(key_id, 1) = (
        SELECT CASE WHEN is_test THEN :test_letter ELSE :live_letter END FROM partners WHERE partner_id = :partner_id
    )
ORDER BY length(key_id) DESC, key_id DESC
LIMIT 1

-- name: key_by_id
SELECT key_id, seed, sealed_seed FROM signing_keys WHERE key_id = :key_id

-- name: keys_by_age
-- Oldest first, live and test.
SELECT key_id, seed, sealed_seed FROM signing_keys ORDER BY left(key_id, 1), length(key_id), key_id

-- name: connected_names
SELECT DISTINCT coalesce(application_name, '') AS application_name FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()

-- name: set_sealed_seed
UPDATE signing_keys SET sealed_seed = :sealed_seed, seed = NULL WHERE key_id = :key_id

-- name: lock_signing_keys
LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE

-- name: add_key
INSERT INTO signing_keys (key_id, seed, sealed_seed, public_key, created_at)
VALUES (:key_id, :seed, :sealed_seed, :public_key, both_clocks(:now))

-- name: list_keys
SELECT key_id, public_key, created_at, retired_at, sealed_seed IS NOT NULL AS is_sealed FROM signing_keys
ORDER BY left(key_id, 1), length(key_id), key_id

-- name: retire_key
UPDATE signing_keys SET retired_at = both_clocks(:now) WHERE key_id = :key_id

-- name: tickets_with_tokens_of
-- The ticket's own token names its key. Since a restore, the batch may have another key.
SELECT count(*) FILTER (WHERE status = 'PRE_GENERATED') AS unused,
       count(*) FILTER (WHERE status = 'ACTIVE') AS active
FROM pre_generated_tickets
WHERE status IN ('PRE_GENERATED', 'ACTIVE')
    AND split_part(convert_from(decode(qr_code, 'base64'), 'UTF8'), ':', 4) = :key_id

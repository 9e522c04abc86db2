-- name: current_key
SELECT key_id, seed FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC, key_id DESC LIMIT 1

-- name: key_by_id
SELECT key_id, seed FROM signing_keys WHERE key_id = :key_id

-- name: lock_signing_keys
LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE

-- name: add_key
INSERT INTO signing_keys (key_id, seed, public_key, created_at)
SELECT 'K' || (count(*) + 1), :seed, :public_key, :now FROM signing_keys
RETURNING key_id

-- name: verifying_keys
SELECT key_id, public_key, retired_at IS NOT NULL AS is_retired FROM signing_keys ORDER BY key_id

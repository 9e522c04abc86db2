-- name: current_key
-- The newest key for the partner's tickets. The highest number, not the latest time: the clocks of several machines
-- differ.
SELECT key_id, seed FROM signing_keys
WHERE retired_at IS NULL
    AND left(key_id, 1) = (
        SELECT CASE WHEN is_test THEN :test_letter ELSE :live_letter END FROM partners WHERE partner_id = :partner_id
    )
ORDER BY length(key_id) DESC, key_id DESC
LIMIT 1

-- name: key_by_id
SELECT key_id, seed FROM signing_keys WHERE key_id = :key_id

-- name: lock_signing_keys
LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE

-- name: add_key
INSERT INTO signing_keys (key_id, seed, public_key, created_at) VALUES (:key_id, :seed, :public_key, :now)

-- name: list_keys
SELECT key_id, public_key, created_at, retired_at FROM signing_keys
ORDER BY left(key_id, 1), length(key_id), key_id

-- name: retire_key
UPDATE signing_keys SET retired_at = :now WHERE key_id = :key_id

-- name: tickets_with_tokens_of
-- A first token is of the batch's key; a reissued ticket says itself by which key.
SELECT count(*) FILTER (WHERE t.status = 'PRE_GENERATED') AS unused,
       count(*) FILTER (WHERE t.status = 'ACTIVE') AS active
FROM pre_generated_tickets t JOIN batches b USING (partner_id, batch_id)
WHERE t.status IN ('PRE_GENERATED', 'ACTIVE')
    AND CASE
        WHEN t.issue_number = 1 THEN b.signing_key_id
        ELSE split_part(convert_from(decode(t.qr_code, 'base64'), 'UTF8'), ':', 4)
    END = :key_id

-- name: insert_key
INSERT INTO api_keys (partner_id, prefix, digest, permissions, created_at, expires_at, rotated_from, made_once, is_test,
                      first_key_id, label, networks)
VALUES (:partner_id, :prefix, :digest, :permissions, both_clocks(:now), :expires_at, :rotated_from, :once,
        :is_test AND :partner_id::bigint IS NULL, :first_key_id, :label, :networks)
RETURNING key_id

-- name: key_to_rotate
SELECT k.key_id, k.partner_id, k.permissions, k.expires_at, coalesce(p.is_test, k.is_test) AS is_test,
       coalesce(k.first_key_id, k.key_id) AS first_key_id, k.label, k.networks,
       (SELECT max(s.key_id) FROM api_keys s WHERE s.rotated_from = k.key_id AND s.revoked_at IS NULL) AS successor
FROM api_keys k LEFT JOIN partners p USING (partner_id)
WHERE k.key_id = :key_id AND k.revoked_at IS NULL
FOR UPDATE OF k

-- name: end_key
UPDATE api_keys SET expires_at = least(expires_at, both_clocks(:now) + :overlap::interval) WHERE key_id = :key_id
RETURNING both_clocks(:now) + :overlap::interval AS ends_at

-- name: revoke_key
UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now) WHERE key_id = :key_id
RETURNING key_id, partner_id, revoked_at

-- name: list_keys
SELECT k.key_id, p.name AS partner, coalesce(p.is_test, k.is_test) AS is_test, k.prefix, k.permissions, k.created_at, k.expires_at, k.revoked_at,
       k.last_used_at, k.rotated_from, k.label, k.networks
FROM api_keys k LEFT JOIN partners p USING (partner_id)
ORDER BY k.key_id

-- name: keys_of
SELECT k.key_id, k.is_test, k.prefix, k.permissions, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.rotated_from, k.label, k.networks,
       EXISTS (SELECT FROM api_keys s WHERE s.rotated_from = k.key_id AND s.revoked_at IS NULL) AS has_successor
FROM api_keys k
WHERE k.partner_id = :partner_id OR (:partner_id::bigint IS NULL AND k.partner_id IS NULL)
ORDER BY k.key_id DESC

-- name: key_by_id
SELECT k.key_id, k.partner_id, p.name AS partner, coalesce(p.is_test, k.is_test) AS is_test, k.prefix, k.permissions,
       k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.rotated_from, k.label, k.networks,
       EXISTS (SELECT FROM api_keys s WHERE s.rotated_from = k.key_id AND s.revoked_at IS NULL) AS has_successor
FROM api_keys k LEFT JOIN partners p USING (partner_id)
WHERE k.key_id = :key_id

-- name: change_key
UPDATE api_keys SET label = :label, networks = :networks WHERE key_id = :key_id AND revoked_at IS NULL
RETURNING key_id, partner_id, label, networks

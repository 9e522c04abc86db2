-- name: add_second_factor
-- No row: the member has a second factor already.
INSERT INTO staff_second_factors (staff_id, secret, created_at, last_step)
VALUES (:staff_id, :secret, both_clocks(:now), :step)
ON CONFLICT (staff_id) DO NOTHING
RETURNING staff_id

-- name: second_factor
SELECT secret, created_at, last_step,
       (SELECT count(*) FROM staff_recovery_codes r WHERE r.staff_id = f.staff_id) AS recovery_codes
FROM staff_second_factors f
WHERE f.staff_id = :staff_id

-- name: accept_step
-- Of two requests with one code, the second finds the step already accepted.
UPDATE staff_second_factors SET last_step = :step
WHERE staff_id = :staff_id AND last_step < :step
RETURNING staff_id

-- name: use_recovery_code
DELETE FROM staff_recovery_codes WHERE staff_id = :staff_id AND digest = :digest
RETURNING staff_id

-- name: add_recovery_codes
INSERT INTO staff_recovery_codes (staff_id, digest) SELECT :staff_id, digest FROM unnest(:digests::bytea[]) AS c (digest)

-- name: remove
WITH codes AS (DELETE FROM staff_recovery_codes WHERE staff_id = :staff_id)
DELETE FROM staff_second_factors WHERE staff_id = :staff_id
RETURNING staff_id

-- name: begin_sign_in
WITH swept AS (DELETE FROM staff_half_sign_ins WHERE expires_at <= :now)
INSERT INTO staff_half_sign_ins (digest, staff_id, password_digest, by_provider, expires_at)
VALUES (:digest, :staff_id, :password_digest, :by_provider, both_clocks(:now) + :length::interval)

-- name: half_sign_in
SELECT h.staff_id, s.name, s.role, h.password_digest, h.by_provider, f.staff_id IS NOT NULL AS has_second_factor
FROM staff_half_sign_ins h
JOIN staff s ON s.staff_id = h.staff_id AND s.disabled_at IS NULL
LEFT JOIN staff_second_factors f ON f.staff_id = h.staff_id
WHERE h.digest = :digest AND h.expires_at > GREATEST(:now, database_clock())

-- name: end_half_sign_in
DELETE FROM staff_half_sign_ins WHERE digest = :digest
RETURNING staff_id

-- name: lock_secrets
SELECT staff_id, secret FROM staff_second_factors ORDER BY staff_id FOR NO KEY UPDATE

-- name: set_secret
UPDATE staff_second_factors SET secret = :secret WHERE staff_id = :staff_id

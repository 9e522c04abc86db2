-- name: add
INSERT INTO staff (name, role, password_digest, created_at) VALUES (:name, :role, :password_digest, both_clocks(:now))
RETURNING staff_id, name, role, created_at, disabled_at

-- name: list_staff
SELECT staff_id, name, role, created_at, disabled_at FROM staff ORDER BY name

-- name: by_name
SELECT staff_id, name, role, created_at, disabled_at FROM staff WHERE name = :name

-- name: digest_by_name
SELECT password_digest FROM staff WHERE name = :name

-- name: set_password
UPDATE staff SET password_digest = :password_digest WHERE staff_id = :staff_id

-- name: set_role
UPDATE staff SET role = :role WHERE staff_id = :staff_id RETURNING staff_id, name, role, created_at, disabled_at

-- name: set_disabled
UPDATE staff SET disabled_at = :disabled_at WHERE staff_id = :staff_id
RETURNING staff_id, name, role, created_at, disabled_at

-- name: end_sessions
WITH forgotten AS (DELETE FROM staff_browsers WHERE staff_id = :staff_id)
DELETE FROM staff_sessions WHERE staff_id = :staff_id

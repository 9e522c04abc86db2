-- name: member_by_name
SELECT s.staff_id, s.role, s.password_digest, s.disabled_at,
       EXISTS (SELECT FROM staff_second_factors f WHERE f.staff_id = s.staff_id) AS has_second_factor
FROM staff s WHERE s.name = :name

-- name: open_session
INSERT INTO staff_sessions (digest, staff_id, created_at, last_seen_at, expires_at)
SELECT :digest, staff_id, both_clocks(:now), both_clocks(:now), both_clocks(:now) + :length::interval FROM staff
WHERE staff_id = :staff_id AND password_digest = :password_digest AND disabled_at IS NULL
FOR SHARE
RETURNING staff_id

-- name: change_password
-- Changes nothing if an admin set another password, or disabled the member, since the password was checked.
UPDATE staff SET password_digest = :new_digest
WHERE staff_id = :staff_id AND password_digest = :password_digest AND disabled_at IS NULL
RETURNING staff_id

-- name: sweep_sessions
DELETE FROM staff_sessions WHERE expires_at <= :now

-- name: member_by_session
SELECT s.staff_id, s.name, s.role, o.last_seen_at
FROM staff_sessions o
JOIN staff s ON s.staff_id = o.staff_id AND s.disabled_at IS NULL
WHERE o.digest = :digest AND o.expires_at > GREATEST(:now, database_clock()) AND o.last_seen_at > :seen_after

-- name: note_seen
UPDATE staff_sessions SET last_seen_at = both_clocks(:now) WHERE digest = :digest

-- name: close_sessions
DELETE FROM staff_sessions WHERE staff_id = :staff_id AND (:digest::bytea IS NULL OR digest = :digest)

-- name: replace_session
-- The previous session of this browser may be another member's: its token is enough to end it.
DELETE FROM staff_sessions WHERE digest = :digest

-- name: known_browser
SELECT staff_id FROM staff_browsers
WHERE digest = :digest AND staff_id = :staff_id AND expires_at > GREATEST(:now, database_clock())

-- name: know_browser
-- Delete the earlier entry of the same browser, and the oldest ones beyond the maximum.
WITH forgotten AS (
    DELETE FROM staff_browsers WHERE digest = ANY(ARRAY(
        SELECT digest FROM staff_browsers WHERE staff_id = :staff_id AND digest IS DISTINCT FROM :previous
        ORDER BY created_at DESC OFFSET :others_max
    ) || :previous::bytea)
)
INSERT INTO staff_browsers (digest, staff_id, created_at, expires_at) VALUES (:digest, :staff_id, both_clocks(:now), both_clocks(:now) + :length::interval)

-- name: forget_browsers
DELETE FROM staff_browsers WHERE staff_id = :staff_id

-- name: count_sessions
SELECT count(*) AS sessions FROM staff_sessions
WHERE staff_id = :staff_id AND expires_at > GREATEST(:now, database_clock()) AND last_seen_at > :seen_after

-- name: member_by_name
SELECT staff_id, password_digest, disabled_at FROM staff WHERE name = :name

-- name: open_session
INSERT INTO staff_sessions (digest, staff_id, created_at, last_seen_at, expires_at)
SELECT :digest, staff_id, both_clocks(:now), both_clocks(:now), both_clocks(:now) + :length::interval FROM staff
WHERE staff_id = :staff_id AND password_digest = :password_digest AND disabled_at IS NULL
FOR SHARE
RETURNING staff_id

-- name: change_password
-- Unless an admin set another one, or disabled them, since it was checked.
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
-- Whoever has the token of a session may end it, whosever it is.
DELETE FROM staff_sessions WHERE digest = :digest

-- name: known_browser
SELECT staff_id FROM staff_browsers
WHERE digest = :digest AND staff_id = :staff_id AND expires_at > GREATEST(:now, database_clock())

-- name: know_browser
-- Delete the earlier entry of the same browser, and the oldest ones beyond the maximum.
WITH forgotten AS (
    DELETE FROM staff_browsers WHERE digest = ANY(ARRAY(
        SELECT digest FROM staff_browsers WHERE staff_id = :staff_id AND digest IS DISTINCT FROM :before
        ORDER BY created_at DESC OFFSET :kept
    ) || :before::bytea)
)
INSERT INTO staff_browsers (digest, staff_id, created_at, expires_at) VALUES (:digest, :staff_id, both_clocks(:now), both_clocks(:now) + :length::interval)

-- name: forget_browsers
DELETE FROM staff_browsers WHERE staff_id = :staff_id

-- name: count_sessions
SELECT count(*) AS sessions FROM staff_sessions
WHERE staff_id = :staff_id AND expires_at > GREATEST(:now, database_clock()) AND last_seen_at > :seen_after

-- name: count_try
-- The count of the span that this try falls into, with it.
INSERT INTO sign_in_tries AS t (subject, span_began_at, tries) VALUES (:subject, both_clocks(:now), 1)
ON CONFLICT (subject) DO UPDATE
SET span_began_at = CASE WHEN t.span_began_at > both_clocks(:now) - :span::interval THEN t.span_began_at ELSE excluded.span_began_at END,
    tries = CASE WHEN t.span_began_at > both_clocks(:now) - :span::interval THEN t.tries + 1 ELSE 1 END
RETURNING tries, span_began_at

-- name: take_try_back
UPDATE sign_in_tries SET tries = tries - 1 WHERE subject = :subject

-- name: sweep_tries
-- Those whose span is over, so that the table stays small whatever is tried. Two that sweep at once do not wait.
DELETE FROM sign_in_tries WHERE subject = ANY(ARRAY(
    SELECT subject FROM sign_in_tries WHERE span_began_at <= both_clocks(:now) - :span::interval AND subject <> :subject
    ORDER BY span_began_at LIMIT 100 FOR UPDATE SKIP LOCKED
))

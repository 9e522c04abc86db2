-- name: member_by_account
SELECT s.staff_id, s.role, s.password_digest, s.disabled_at,
       EXISTS (SELECT FROM staff_second_factors f WHERE f.staff_id = s.staff_id) AS has_second_factor
FROM staff_provider_accounts a
JOIN staff s ON s.staff_id = a.staff_id
WHERE a.issuer = :issuer AND a.subject = :subject

-- name: link
-- No row: the member is unknown, is disabled or has another account of this provider, or another member has the account.
INSERT INTO staff_provider_accounts (staff_id, issuer, subject, linked_at)
SELECT staff_id, :issuer, :subject, both_clocks(:now) FROM staff WHERE name = :name AND disabled_at IS NULL
ON CONFLICT DO NOTHING
RETURNING staff_id

-- name: unlink
DELETE FROM staff_provider_accounts WHERE staff_id = :staff_id
RETURNING staff_id

-- name: add_channel
INSERT INTO channels (channel, is_test) VALUES (:channel, :is_test) ON CONFLICT DO NOTHING

-- name: add_partner
INSERT INTO partners (name, name_key, channel, is_test, reservation_hours_max, created_at)
VALUES (:name, :name_key, :channel, :is_test, :reservation_hours_max, both_clocks(:now))
RETURNING partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at

-- name: partner_by_name
-- The exact name first: older partners may have names that differ only in case or blanks.
SELECT partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at FROM partners
WHERE name = :name OR name_key = :name_key
ORDER BY name = :name DESC
LIMIT 1

-- name: name_of_key
SELECT name FROM partners WHERE name_key = :name_key

-- name: rename
UPDATE partners SET name = :name, name_key = :name_key WHERE partner_id = :partner_id
RETURNING partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at

-- name: partner_by_id
SELECT partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at FROM partners
WHERE partner_id = :partner_id

-- name: page_of_partners
SELECT p.partner_id, p.name, p.channel, p.is_test, p.reservation_hours_max, p.created_at, p.disabled_at, k.working_keys,
       k.last_used_at
FROM partners p
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE revoked_at IS NULL AND coalesce(expires_at > :now, true)) AS working_keys,
           max(last_used_at) AS last_used_at
    FROM api_keys WHERE partner_id = p.partner_id
) AS k
WHERE p.partner_id > coalesce(:after_partner_id, 0)
    AND (:sought::text IS NULL OR p.channel = :sought OR position(:sought_key IN p.name_key) > 0)
ORDER BY p.partner_id
LIMIT :rows

-- name: list_channels
SELECT channel, is_test FROM channels ORDER BY channel

-- name: list_partners
SELECT partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at FROM partners ORDER BY partner_id

-- name: set_disabled
UPDATE partners SET disabled_at = :disabled_at WHERE partner_id = :partner_id
RETURNING partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at

-- name: set_reservation_hours
UPDATE partners SET reservation_hours_max = :reservation_hours_max
WHERE partner_id = :partner_id AND (:expected::bigint IS NULL OR reservation_hours_max = :expected)
RETURNING partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at

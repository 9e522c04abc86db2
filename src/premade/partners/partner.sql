-- name: add_channel
INSERT INTO channels (channel, is_test) VALUES (:channel, :is_test) ON CONFLICT DO NOTHING

-- name: add_partner
INSERT INTO partners (name, channel, is_test, reservation_hours_max, created_at)
VALUES (:name, :channel, :is_test, :reservation_hours_max, :now)
RETURNING partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at

-- name: partner_by_name
SELECT partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at FROM partners WHERE name = :name

-- name: list_partners
SELECT partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at FROM partners ORDER BY partner_id

-- name: set_disabled
UPDATE partners SET disabled_at = :disabled_at WHERE partner_id = :partner_id
RETURNING partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at

-- name: set_reservation_hours
UPDATE partners SET reservation_hours_max = :reservation_hours_max WHERE partner_id = :partner_id
RETURNING partner_id, name, channel, is_test, reservation_hours_max, created_at, disabled_at

-- name: names
SELECT partner_id, name, name_key FROM partners ORDER BY partner_id

-- name: lock_partners
LOCK TABLE partners IN SHARE ROW EXCLUSIVE MODE

-- name: set_key
UPDATE partners SET name_key = :name_key WHERE partner_id = :partner_id

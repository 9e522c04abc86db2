-- name: limits_of
SELECT limit_name, value FROM partner_limits WHERE partner_id = :partner_id

-- name: lock_limits
-- Changes of one partner's limits run one after the other, also while it has none.
SELECT pg_advisory_xact_lock(hashtextextended('limits of a partner', :partner_id))::text AS locked

-- name: set_limits
INSERT INTO partner_limits (partner_id, limit_name, value)
SELECT :partner_id, limit_name, value FROM unnest(:names::text[], :new_values::bigint[]) AS i (limit_name, value)
ON CONFLICT (partner_id, limit_name) DO UPDATE SET value = excluded.value

-- name: remove_limits
DELETE FROM partner_limits WHERE partner_id = :partner_id AND limit_name = ANY(:names::text[])

-- name: keys_by_prefix
SELECT k.prefix, k.key_id, k.digest, k.permissions, k.expires_at, k.revoked_at, k.last_used_at, k.networks,
       k.partner_id, p.channel, coalesce(p.is_test, k.is_test) AS is_test,
       coalesce(k.first_key_id, k.key_id) AS first_key_id, p.disabled_at,
       (SELECT jsonb_object_agg(limit_name, value) FROM partner_limits l WHERE l.partner_id = k.partner_id) AS limits,
       coalesce(k.expires_at <= database_clock(), false) AS is_over
FROM unnest(:prefixes::text[]) AS requested (prefix)
JOIN api_keys k USING (prefix)
LEFT JOIN partners p USING (partner_id)

-- name: touch_key
UPDATE api_keys SET last_used_at = both_clocks(:now) WHERE key_id = :key_id AND (last_used_at IS NULL OR last_used_at < both_clocks(:now))

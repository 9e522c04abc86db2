-- name: find_device
SELECT state, last_used_at FROM gate_devices
WHERE owner = :owner AND device_id = :device_id AND partner_id IS NOT DISTINCT FROM :partner_id::bigint

-- name: register_device
-- A client chooses its device_id. So a key or member of staff that has too many devices loses those that were used longest ago.
-- Revoked devices are never forgotten, and unapproved ones displace no approved ones.
WITH forgotten AS (
    DELETE FROM gate_devices
    WHERE gate_device_id IN (
        SELECT gate_device_id FROM gate_devices
        WHERE registered_by = :actor AND state = :state
        ORDER BY last_used_at DESC
        OFFSET :others_max
    )
    AND NOT EXISTS (SELECT FROM gate_devices WHERE owner = :owner AND device_id = :device_id)
)
INSERT INTO gate_devices AS d
    (owner, device_id, partner_id, state, registered_at, registered_by, last_used_at, last_used_by)
VALUES (:owner, :device_id, :partner_id, :state, both_clocks(:now), :actor, both_clocks(:now), :actor)
ON CONFLICT (owner, device_id) DO UPDATE
SET last_used_at = greatest(d.last_used_at, excluded.last_used_at), last_used_by = excluded.last_used_by
RETURNING state

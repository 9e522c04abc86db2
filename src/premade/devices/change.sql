-- name: page_of_devices
-- Last used first.
SELECT d.gate_device_id, d.device_id, d.owner, p.name AS partner, d.state, d.registered_at, d.registered_by, d.last_used_at, d.last_used_by
FROM gate_devices d LEFT JOIN partners p USING (partner_id)
WHERE (
        :before_used_at::timestamptz IS NULL
        OR (d.last_used_at, d.gate_device_id) < (:before_used_at::timestamptz, :before_gate_device_id::bigint)
    )
    AND (:sought::text IS NULL OR position(lower(:sought) IN lower(d.device_id)) > 0 OR position(:sought_key IN p.name_key) > 0)
ORDER BY d.last_used_at DESC, d.gate_device_id DESC
LIMIT :rows

-- name: device_by_id
SELECT d.gate_device_id, d.device_id, d.owner, p.name AS partner, d.state, d.registered_at, d.registered_by, d.last_used_at, d.last_used_by
FROM gate_devices d LEFT JOIN partners p USING (partner_id)
WHERE d.gate_device_id = :gate_device_id

-- name: set_state
-- No row: the device has this state already, or does not exist.
UPDATE gate_devices SET state = :state WHERE gate_device_id = :gate_device_id AND state <> :state
RETURNING partner_id, owner, device_id

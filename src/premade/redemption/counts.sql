-- name: lock_names
-- Lock the owner's names: two concurrent uploads could each take the last free one. A device with a name needs no lock.
SELECT pg_advisory_xact_lock(:lock_space, hashtext(:owner))
WHERE NOT EXISTS (
    SELECT FROM gate_counts WHERE day = both_days(:day, :zone) AND owner = :owner AND device_id = :device_id
)

-- name: count_at_gate
-- A client chooses its device_id. Beyond a number of devices in a day, all others of the owner share one row for each code.
INSERT INTO gate_counts AS g (day, owner, device_id, code, partner_id, counted, last_at)
SELECT both_days(:day, :zone), :owner,
       CASE
           WHEN EXISTS (SELECT FROM gate_counts WHERE day = both_days(:day, :zone) AND owner = :owner AND device_id = :device_id)
               OR (
                   SELECT count(DISTINCT device_id) FROM gate_counts
                   WHERE day = both_days(:day, :zone) AND owner = :owner AND device_id <> :others
               ) < :devices_max
               THEN :device_id
           ELSE :others
       END,
       i.code, :partner_id, i.counted, both_clocks(:now)
FROM jsonb_to_recordset(:counts::jsonb) AS i (code text, counted bigint)
ORDER BY i.code
ON CONFLICT (day, owner, device_id, code) DO UPDATE
SET counted = g.counted + excluded.counted, last_at = greatest(g.last_at, excluded.last_at)

-- name: take_place
-- The first free place. No row: all are in use, or a concurrent request took the same one. A lease that ends much later than a
-- new one was written before the database's clock went back: its place is free.
INSERT INTO long_reads AS r (partner_id, place, holder, ends_at)
SELECT :partner_id, p.place, :holder, database_clock() + :seconds::double precision * interval '1 second'
FROM generate_series(1, :places::integer) AS p (place)
WHERE NOT EXISTS (
    SELECT FROM long_reads taken
    WHERE taken.partner_id = :partner_id AND taken.place = p.place AND taken.ends_at > database_clock()
        AND taken.ends_at <= database_clock() + 2 * :seconds::double precision * interval '1 second'
)
ORDER BY p.place
LIMIT 1
ON CONFLICT (partner_id, place) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
WHERE r.ends_at <= database_clock() OR r.ends_at > excluded.ends_at + :seconds::double precision * interval '1 second'
RETURNING place

-- name: renew_places
UPDATE long_reads AS r SET ends_at = database_clock() + :seconds::double precision * interval '1 second'
FROM unnest(:partner_ids::bigint[], :places::integer[], :holders::uuid[]) AS i (partner_id, place, holder)
WHERE r.partner_id = i.partner_id AND r.place = i.place AND r.holder = i.holder

-- name: leave_place
UPDATE long_reads SET ends_at = database_clock() WHERE partner_id = :partner_id AND place = :place AND holder = :holder

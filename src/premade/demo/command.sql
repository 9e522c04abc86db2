-- name: is_migrated
SELECT true AS is_migrated WHERE to_regclass('partners') IS NOT NULL AND to_regclass('staff') IS NOT NULL

-- name: count_others
SELECT (SELECT count(*) FROM partners WHERE name <> ALL(:own_partners::text[])) AS partners,
       (SELECT count(*) FROM staff WHERE name <> ALL(:own_staff::text[])) AS staff

-- name: is_migrated
SELECT to_regclass('schema_migrations') IS NOT NULL AS ever

-- name: applied_migrations
SELECT name FROM schema_migrations

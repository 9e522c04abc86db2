-- name: export_snapshot
-- pg_dump reads the same snapshot.
SELECT pg_export_snapshot() AS snapshot, now() AS taken_at

-- name: tables
-- A dump leaves out the tables of extensions.
SELECT format('%I.%I', n.nspname, c.relname) AS table_name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
    AND n.nspname <> 'information_schema' AND NOT starts_with(n.nspname, 'pg_')
    AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
ORDER BY table_name

-- name: has_schema
SELECT to_regclass('schema_migrations') IS NOT NULL AS has_schema

-- name: applied_migrations
SELECT name FROM schema_migrations ORDER BY name

-- name: other_sessions
SELECT concat(coalesce(nullif(application_name, ''), 'a session'), ' (user ', usename, ', process ', pid, ')') AS description
FROM pg_stat_activity
WHERE datname = :database::text AND pid <> pg_backend_pid() AND usename IS NOT NULL
ORDER BY pid

-- name: take_turn
-- The lock is held as long as the session, in the database that all restores on this server are connected to.
SELECT pg_try_advisory_lock(hashtextextended('premade restore ' || :database::text, 0)) AS mine

-- name: may_replace
-- Renaming needs the owner, and the right to create databases.
SELECT r.rolsuper OR r.rolcreatedb AND pg_has_role(d.datdba, 'usage') AS may
FROM pg_roles r CROSS JOIN pg_database d
WHERE r.rolname = current_user AND d.datname = :database::text

-- name: comment_of_database
-- No row: there is no such database.
SELECT coalesce(shobj_description(oid, 'pg_database'), '') AS comment FROM pg_database WHERE datname = :database::text

-- name: previous_databases
-- 'size' in bytes. No role without the right to connect sees it.
SELECT datname::text AS database,
       CASE WHEN has_database_privilege(oid, 'connect') THEN pg_database_size(oid) END AS size
FROM pg_database WHERE starts_with(datname, :start) ORDER BY datname

-- name: create_like
-- The statement that creates a database with the owner, encoding, locale, tablespace and limit of another one.
SELECT concat_ws(' ',
    format('CREATE DATABASE %I TEMPLATE template0 OWNER %I ENCODING %L CONNECTION LIMIT %s LC_COLLATE %L LC_CTYPE %L',
           :new_name::text, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datconnlimit,
           d.datcollate, d.datctype),
    -- A role without a right to the default tablespace may use it, but not name it.
    CASE WHEN s.spcname <> 'pg_default' THEN format('TABLESPACE %I', s.spcname) END,
    -- The names of these columns differ between versions.
    CASE to_jsonb(d) ->> 'datlocprovider'
        WHEN 'c' THEN 'LOCALE_PROVIDER libc'
        WHEN 'i' THEN format('LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))
        WHEN 'b' THEN format('LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d) ->> 'datlocale')
    END
) AS statement
FROM pg_database d JOIN pg_tablespace s ON s.oid = d.dattablespace
WHERE d.datname = :database::text

-- name: privileges_like
-- The statements that give a database the privileges of another one.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :new_name::text) AS statement
FROM pg_database WHERE datname = :database::text AND datacl IS NOT NULL
UNION ALL
SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, :new_name::text,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
              CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) AS a
WHERE d.datname = :database::text

-- name: settings_of
-- Settings of a database, for all roles or for one.
SELECT split_part(each, '=', 1) AS setting, substr(each, strpos(each, '=') + 1) AS value,
       CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole)::text END AS role
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase CROSS JOIN LATERAL unnest(s.setconfig) AS each
WHERE d.datname = :database::text
ORDER BY role NULLS FIRST, setting

-- name: set_locally
SELECT set_config(:setting, :value, true) AS value

-- name: server_settings
SELECT current_setting('server_version_num')::integer AS version_number,
    -- 'data_directory' is only for roles that may read all settings. Only a server on this machine has a folder here.
    CASE
        WHEN pg_has_role('pg_read_all_settings', 'USAGE')
            AND (inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1')
        THEN current_setting('data_directory')
    END AS data_folder

-- name: default_zone
-- The service sets UTC in its connections.
SELECT coalesce(reset_val, '') AS zone FROM pg_settings WHERE name = 'TimeZone'

-- name: connections
-- Some connections are reserved for superusers.
SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS limit_of_all,
    (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL) AS used

-- name: encryption
SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted,
    (inet_client_addr() IS NULL OR inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1') AS is_local

-- name: application_names
-- The names of the connected processes, each once. Every role may see these columns of all sessions.
SELECT DISTINCT coalesce(application_name, '') AS application_name
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'premade%'
ORDER BY 1

-- name: role
SELECT current_user::text AS name, coalesce(rolsuper, false) AS is_superuser, pg_has_role('pg_monitor', 'USAGE') AS is_monitor,
    NOT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relkind = 'r' AND NOT pg_has_role(c.relowner, 'USAGE')
    ) AS owns_tables
FROM pg_roles WHERE rolname = current_user

-- name: not_usable
-- Tables and sequences that the role may not use as the service does. It only adds to the audit record, and only reads the list
-- of migrations. It deletes rows of a few tables. The sequences of identity columns need no right.
SELECT c.relname::text AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema()
    AND CASE
        WHEN c.relkind IN ('r', 'p') THEN NOT has_table_privilege(c.oid, 'SELECT')
            OR c.relname <> 'schema_migrations' AND NOT has_table_privilege(c.oid, 'INSERT')
            OR c.relname NOT IN ('schema_migrations', 'audit_keys', 'audit_archives') AND NOT starts_with(c.relname, 'audit_events')
                AND NOT has_table_privilege(c.oid, 'UPDATE')
            OR c.relname IN (
                'activation_spans', 'attempts', 'gate_counts', 'product_functions', 'refusal_days', 'sales_days', 'staff_browsers',
                'staff_sessions', 'ticket_deltas'
            ) AND NOT has_table_privilege(c.oid, 'DELETE')
        WHEN c.relkind = 'S' THEN NOT (has_sequence_privilege(c.oid, 'UPDATE') AND has_sequence_privilege(c.oid, 'USAGE, SELECT'))
            AND NOT EXISTS (
                SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i'
            )
        ELSE false
    END
ORDER BY c.relname

-- name: tables_are_spread
SELECT operator_partner() IS NOT NULL AS is_spread

-- name: incarnation_begun_at
SELECT begun_at FROM database_incarnation ORDER BY begun_at DESC LIMIT 1

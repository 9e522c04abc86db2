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

-- name: tables_are_spread
SELECT operator_partner() IS NOT NULL AS is_spread

-- name: incarnation_begun_at
SELECT begun_at FROM database_incarnation ORDER BY begun_at DESC LIMIT 1

-- name: take_turn
-- Skip a table that another session has locked. The next turn analyses it.
SELECT pg_try_advisory_xact_lock(:lock) AS mine, set_config('lock_timeout', :lock_timeout_ms, true) AS lock_timeout;

-- name: grown_tables
-- 'relpages' is the size at the last analysis; 0 before the first one. A role may analyse what it owns, what is in its own
-- database, and from PostgreSQL 17 on what it may MAINTAIN. The name of that privilege is unknown to older versions.
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, s.pages,
       pg_has_role(d.datdba, 'USAGE') OR pg_has_role(c.relowner, 'USAGE')
       OR CASE
           WHEN current_setting('server_version_num')::integer >= 170000 THEN has_table_privilege(c.oid, 'MAINTAIN')
           ELSE false
       END AS may_analyse
FROM pg_namespace n
JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
JOIN pg_database d ON d.datname = current_database()
CROSS JOIN LATERAL (
    SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
) AS s
WHERE n.nspname = current_schema() AND s.pages BETWEEN :pages_min AND :pages_max AND s.pages >= 2 * c.relpages
ORDER BY s.pages DESC, c.relname

-- name: not_analysable
-- The tables that the role may not analyse, by the same rule.
SELECT c.relname::text AS name
FROM pg_namespace n
JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
JOIN pg_database d ON d.datname = current_database()
WHERE n.nspname = current_schema() AND NOT (
    pg_has_role(d.datdba, 'USAGE') OR pg_has_role(c.relowner, 'USAGE')
    OR CASE
        WHEN current_setting('server_version_num')::integer >= 170000 THEN has_table_privilege(c.oid, 'MAINTAIN')
        ELSE false
    END
)
ORDER BY c.relname

-- name: take_turn
-- Skip a table that another session has locked. The next turn analyses it.
SELECT pg_try_advisory_xact_lock(:lock) AS mine, set_config('lock_timeout', :lock_timeout_ms, true) AS lock_timeout;

-- name: grown_tables
-- 'relpages' is the size at the last analysis; 0 before the first one.
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, s.pages,
       has_function_privilege('analyse_table(regclass)', 'EXECUTE') AS may_analyse
FROM pg_namespace n
JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
CROSS JOIN LATERAL (
    SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
) AS s
WHERE n.nspname = current_schema() AND s.pages BETWEEN :pages_min AND :pages_max AND s.pages >= 2 * c.relpages
ORDER BY s.pages DESC, c.relname

-- name: analyse
SELECT analyse_table(:table_name::text::regclass)

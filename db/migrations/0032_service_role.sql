-- What the service needs the rights of the owner for, so that its own role needs none (ADR 52). These functions run with the
-- rights of their owner. The schema of temporary tables is the last one: a caller could hide their names there.

-- Analyse a table of this schema. It neither waits for a lock nor stops autovacuum.
CREATE FUNCTION analyse_table(target regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = target AND relkind = 'r' AND relnamespace = current_schema()::regnamespace) THEN
        RAISE EXCEPTION 'not a table of this schema: %', target;
    END IF;
    EXECUTE format('ANALYZE (SKIP_LOCKED) %s', target);
END
$$;

-- Only these three. A role that adds audit events is the role of a service.
DO $$
DECLARE
    name regprocedure;
    grantee text;
BEGIN
    FOREACH name IN ARRAY ARRAY['analyse_table(regclass)', 'begin_incarnation(bigint)', 'create_audit_month(date)']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', name);
        FOR grantee IN
            SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
            FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
            WHERE c.oid = 'audit_events'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', name, grantee);
        END LOOP;
    END LOOP;
END
$$;

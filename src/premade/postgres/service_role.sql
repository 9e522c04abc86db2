-- name: rights
-- Each right of a role on the objects of premade, with whether the service needs it and whether the role has it, itself or through
-- another role. 'is_granted': by a grant to this role itself. 'is_of_record': on the audit record.
--
-- Of the audit record the service only adds rows, and of the list of migrations and archives it only reads. It deletes from a few
-- tables. The sequences of identity columns need no right. Only begin_incarnation sets the sequence of event ids.
SELECT o.kind, o.name, p.privilege, p.is_needed,
       o.kind IN ('TABLE', 'SEQUENCE') AND starts_with(o.whole, 'audit_') AS is_of_record,
       CASE o.kind
           WHEN 'SCHEMA' THEN has_schema_privilege(role.oid, o.oid, p.privilege)
           WHEN 'TABLE' THEN has_table_privilege(role.oid, o.oid, p.privilege)
           WHEN 'SEQUENCE' THEN has_sequence_privilege(role.oid, o.oid, p.privilege)
           ELSE has_function_privilege(role.oid, o.oid, p.privilege)
       END AS has,
       EXISTS (SELECT FROM aclexplode(o.acl) a WHERE a.grantee = role.oid AND a.privilege_type = p.privilege) AS is_granted
FROM pg_roles role
-- Tables and functions of other owners in the schema are not of premade.
CROSS JOIN (SELECT relowner AS oid FROM pg_class WHERE oid = 'audit_events'::regclass) AS owner
CROSS JOIN LATERAL (
    SELECT 'SCHEMA' AS kind, n.oid, format('%I', n.nspname) AS name, n.nspname::text AS whole, n.nspacl AS acl
    FROM pg_namespace n
    WHERE n.nspname = current_schema()
    UNION ALL
    -- 'whole': for a partition, the table that it is part of.
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid, format('%I.%I', n.nspname, c.relname), whole.relname::text,
           c.relacl
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class whole ON whole.oid = coalesce(pg_partition_root(c.oid), c.oid)
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'S') AND c.relowner = owner.oid AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype = 'i')
    )
    UNION ALL
    -- Functions with the rights of their owner.
    SELECT 'FUNCTION', f.oid, f.oid::regprocedure::text, f.proname::text, f.proacl
    FROM pg_proc f
    JOIN pg_namespace n ON n.oid = f.pronamespace
    WHERE n.nspname = current_schema() AND f.prosecdef AND f.proowner = owner.oid AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e'
    )
) AS o
LEFT JOIN pg_class relation ON relation.oid = o.oid AND o.kind = 'TABLE'
CROSS JOIN LATERAL (
    VALUES
        ('SCHEMA', 'USAGE', true),
        ('SCHEMA', 'CREATE', false),
        ('TABLE', 'SELECT', true),
        ('TABLE', 'INSERT', relation.relkind <> 'v' AND o.whole NOT IN ('schema_migrations', 'audit_archives')),
        ('TABLE', 'UPDATE', relation.relkind <> 'v' AND o.whole <> 'schema_migrations' AND NOT starts_with(o.whole, 'audit_')),
        (
            'TABLE', 'DELETE', o.whole IN (
                'activation_spans', 'attempts', 'gate_counts', 'gate_devices', 'partner_limits', 'product_functions', 'refusal_days', 'sales_days',
                'staff_browsers', 'staff_half_sign_ins', 'staff_provider_accounts', 'staff_recovery_codes', 'staff_second_factors', 'staff_sessions', 'ticket_deltas'
            )
        ),
        ('TABLE', 'TRUNCATE', false),
        ('TABLE', 'REFERENCES', false),
        ('TABLE', 'TRIGGER', false),
        ('SEQUENCE', 'USAGE', true),
        ('SEQUENCE', 'SELECT', true),
        ('SEQUENCE', 'UPDATE', NOT starts_with(o.whole, 'audit_')),
        ('FUNCTION', 'EXECUTE', true)
) AS p (kind, privilege, is_needed)
WHERE role.rolname = :role::text AND p.kind = o.kind
ORDER BY o.kind, o.name, p.privilege

-- name: powers
-- What a role can do beyond the rights above. No row: there is no such role.
SELECT coalesce(r.rolsuper, false) AS is_superuser, coalesce(r.rolcreaterole, false) AS creates_roles,
       EXISTS (
           SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND pg_has_role(r.oid, c.relowner, 'MEMBER')
       ) AS owns_tables,
       has_database_privilege(r.oid, current_database(), 'CREATE') AS creates_schemas,
       pg_has_role(r.oid, 'pg_monitor', 'USAGE') AS is_monitor
FROM pg_roles r
WHERE r.rolname = :role::text

-- name: current_role_name
SELECT current_user::text AS name

-- name: open_functions
-- Functions with the rights of their owner that everybody may call. A restore without privileges leaves them so.
SELECT f.oid::regprocedure::text AS name
FROM pg_proc f
JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE n.nspname = current_schema() AND f.prosecdef
    AND f.proowner = (SELECT relowner FROM pg_class WHERE oid = 'audit_events'::regclass)
    AND EXISTS (SELECT FROM aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a WHERE a.grantee = 0)
ORDER BY name

-- name: service_roles
-- The roles that may add audit events and do not own them.
SELECT pg_get_userbyid(a.grantee)::text AS role
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
WHERE c.oid = 'audit_events'::regclass AND a.privilege_type = 'INSERT' AND a.grantee NOT IN (0, c.relowner)
ORDER BY role

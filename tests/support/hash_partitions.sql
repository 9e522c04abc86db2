-- Spread the tables of ops/citus/distribute.sql over hash partitions, in its transaction. `premade.partitions` says how many.

CREATE FUNCTION pg_temp.split(whole text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    partitions CONSTANT integer := current_setting('premade.partitions');
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME TO %I', whole, whole || '_whole');
    EXECUTE format(
        'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE) PARTITION BY HASH (partner_id)',
        whole, whole || '_whole'
    );
    FOR part IN 0 .. partitions - 1 LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
            whole || '_' || part, whole, partitions, part
        );
    END LOOP;
    EXECUTE format('INSERT INTO %I SELECT * FROM %I', whole, whole || '_whole');
    EXECUTE format('DROP TABLE %I CASCADE', whole || '_whole');
END
$$;

-- The tables that are split: the spread ones, or their partitions if they have some already, such as months.
CREATE TEMPORARY TABLE to_split ON COMMIT DROP AS
SELECT s.place, c.relname AS name, whole.relname AS partition_of, pg_get_expr(c.relpartbound, c.oid) AS bound
FROM spread_tables s
JOIN pg_class top ON top.oid = s.name::regclass
LEFT JOIN pg_inherits i ON i.inhparent = top.oid
JOIN pg_class c ON c.oid = coalesce(i.inhrelid, top.oid)
LEFT JOIN pg_class whole ON whole.oid = i.inhparent
WHERE s.kind = 'distributed';

-- The statements that create keys, indexes, foreign keys and triggers again, in this order. Partitions get those of their table.
CREATE TEMPORARY TABLE to_create_again ON COMMIT DROP AS
SELECT s.place, CASE c.contype WHEN 'f' THEN 3 ELSE 1 END AS step, c.conname::text AS name,
       format('ALTER TABLE %I ADD CONSTRAINT %I %s', s.name, c.conname, pg_get_constraintdef(c.oid)) AS command
FROM to_split s JOIN pg_constraint c ON c.conrelid = s.name::regclass AND c.contype IN ('p', 'u', 'f')
WHERE s.partition_of IS NULL
UNION ALL
SELECT s.place, 2, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM to_split s JOIN pg_index i ON i.indrelid = s.name::regclass
WHERE s.partition_of IS NULL
    AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u'))
UNION ALL
SELECT s.place, 4, t.tgname, pg_get_triggerdef(t.oid)
FROM to_split s JOIN pg_trigger t ON t.tgrelid = s.name::regclass AND NOT t.tgisinternal AND t.tgparentid = 0;

DO $$
DECLARE
    split record;
    command text;
BEGIN
    FOR split IN SELECT * FROM to_split ORDER BY place DESC, name LOOP
        IF split.partition_of IS NULL THEN
            PERFORM pg_temp.split(split.name);
        ELSE
            EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', split.partition_of, split.name);
            PERFORM pg_temp.split(split.name);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I %s', split.partition_of, split.name, split.bound);
        END IF;
    END LOOP;
    FOR command IN SELECT c.command FROM to_create_again c ORDER BY step, place, name LOOP
        EXECUTE command;
    END LOOP;
    -- Citus names the keys of a shard after the keys of the table, with a number at the end. Do the same here.
    FOR command IN
        SELECT format(
            'ALTER INDEX %s RENAME TO %I', p.inhrelid::regclass,
            p.inhparent::regclass || substring(i.indrelid::regclass::text FROM '_[0-9]+$')
        )
        FROM pg_inherits p
        JOIN pg_index i ON i.indexrelid = p.inhrelid
        JOIN pg_class t ON t.oid = i.indrelid AND t.relkind = 'r'
        JOIN pg_inherits part ON part.inhrelid = t.oid
        JOIN pg_partitioned_table whole ON whole.partrelid = part.inhparent AND whole.partstrat = 'h'
    LOOP
        EXECUTE command;
    END LOOP;
END
$$;

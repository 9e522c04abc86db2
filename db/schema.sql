-- The schema that the migrations create. Written by `make schema`; do not edit.

CREATE FUNCTION public.activation_span(moment timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT date_bin('5 minutes', moment, '2000-01-01 00:00:00+00') $$;

CREATE FUNCTION public.analyse_table(target regclass) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = target AND relkind = 'r' AND relnamespace = current_schema()::regnamespace) THEN
        RAISE EXCEPTION 'not a table of this schema: %', target;
    END IF;
    EXECUTE format('ANALYZE (SKIP_LOCKED) %s', target);
END
$$;

CREATE FUNCTION public.begin_incarnation(more_ms bigint) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    lock_space CONSTANT integer := 1886547309;
    clock_skew_max_ms CONSTANT bigint := 60000;
    event_ids_skipped CONSTANT bigint := 1000000000;
    clock regclass;
    now_ms bigint;
    lead bigint;
    lowest_ms bigint;
    begun uuid;
BEGIN
    LOCK TABLE database_incarnation IN SHARE ROW EXCLUSIVE MODE;
    FOREACH clock IN ARRAY ARRAY['ticket_code_ms', 'order_id_ms', 'reservation_id_ms']::regclass[] LOOP
        PERFORM pg_advisory_xact_lock(lock_space, clock::oid::integer);
        now_ms := floor(extract(epoch FROM clock_timestamp()) * 1000);
        lead := greatest(
            coalesce(pg_sequence_last_value((clock::text || '_lead')::regclass), 0),
            logical_lead_max_ms() + clock_skew_max_ms + more_ms
        );
        lead := setval(
            clock, greatest(now_ms + lead, coalesce(pg_sequence_last_value(clock), 0))
        ) - now_ms;
        PERFORM setval((clock::text || '_lead')::regclass, lead);
        lowest_ms := least(lowest_ms, now_ms + lead);
    END LOOP;
    PERFORM setval(
        'audit_events_event_id_seq',
        coalesce(pg_sequence_last_value('audit_events_event_id_seq'), 0) + event_ids_skipped
    );
    DELETE FROM database_incarnation;
    INSERT INTO database_incarnation (
        database_oid, server, server_started_at, files_changed_at, clocks_from_ms
    )
    VALUES (
        database_oid(), database_server(), pg_postmaster_start_time(), database_files_changed_at(), lowest_ms
    )
    RETURNING incarnation_id INTO begun;
    RETURN begun;
END
$$;

CREATE FUNCTION public.both_clocks(own timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT LEAST(own, database_clock())
$$;

CREATE FUNCTION public.both_days(own date, zone text) RETURNS date
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT LEAST(own, (database_clock() AT TIME ZONE zone)::date)
$$;

CREATE FUNCTION public.copy_rights(source regclass, target regclass) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid = source AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', granted.privilege_type, target, granted.grantee);
        -- The sequence of an identity column needs no right, a plain sequence does.
        IF target = 'audit_events'::regclass AND granted.privilege_type = 'INSERT' THEN
            EXECUTE format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE audit_events_event_id_seq TO %s', granted.grantee);
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION public.count_changed_tickets() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO ticket_deltas (
        partner_id, product_id, last_day, currency, span, unused_change, activated, amount
    )
    SELECT partner_id, product_id, last_day, currency, activation_span(max(activated_at)), sum(unused), sum(activated),
           sum(activated * price)
    FROM (
        SELECT partner_id, product_id, coalesce(valid_until, 'infinity') AS last_day, currency, price, activated_at,
               (status = 'PRE_GENERATED')::integer AS unused, (activated_at IS NOT NULL)::integer AS activated
        FROM new_tickets
        UNION ALL
        SELECT partner_id, product_id, coalesce(valid_until, 'infinity'), currency, price, NULL,
               -(status = 'PRE_GENERATED')::integer, -(activated_at IS NOT NULL)::integer
        FROM old_tickets
    ) AS changes
    GROUP BY partner_id, product_id, last_day, currency
    HAVING sum(unused) <> 0 OR sum(activated) <> 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.count_generated_tickets() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO ticket_deltas (partner_id, product_id, last_day, unused_change, activated)
    SELECT partner_id, product_id, coalesce(valid_until, 'infinity'), count(*), 0
    FROM new_tickets GROUP BY partner_id, product_id, valid_until;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.create_audit_month(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET "TimeZone" TO 'UTC'
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    moved_max CONSTANT integer := 10000;
    first_day CONSTANT date := date_trunc('month', day);
    next_first_day CONSTANT date := first_day + interval '1 month';
    table_name CONSTANT text := 'audit_events_' || to_char(first_day, 'YYYY_MM');
    to_move integer;
BEGIN
    -- One session at a time; others then find the partition.
    PERFORM pg_advisory_xact_lock(7214938065);
    IF first_day NOT BETWEEN date_trunc('month', database_clock()) AND database_clock() + interval '12 months' THEN
        RAISE EXCEPTION 'the month % is not near', first_day;
    END IF;
    IF EXISTS (SELECT FROM audit_months m WHERE m.starts_at < next_first_day AND m.ends_at > first_day) THEN
        RETURN false;
    END IF;
    SELECT count(*) INTO to_move FROM (
        SELECT FROM audit_events_default WHERE occurred_at >= first_day AND occurred_at < next_first_day LIMIT moved_max + 1
    ) AS events_of_month;
    IF to_move > moved_max THEN
        RETURN false;
    END IF;
    -- ATTACH locks the table less than CREATE TABLE ... PARTITION OF.
    PERFORM create_audit_table(table_name);
    IF to_move > 0 THEN
        ALTER TABLE audit_events_default DISABLE TRIGGER audit_is_append_only;
        EXECUTE format(
            'WITH moved AS (DELETE FROM audit_events_default WHERE occurred_at >= %L AND occurred_at < %L RETURNING *)'
            ' INSERT INTO %I SELECT * FROM moved', first_day, next_first_day, table_name
        );
        ALTER TABLE audit_events_default ENABLE TRIGGER audit_is_append_only;
    END IF;
    EXECUTE format(
        'ALTER TABLE audit_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', table_name, first_day, next_first_day
    );
    RETURN true;
END
$$;

CREATE FUNCTION public.create_audit_table(table_name text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE audit_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', table_name);
    -- A trigger of a statement works only on the table that the statement names.
    EXECUTE format(
        'CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()', table_name
    );
    PERFORM copy_rights('audit_events', table_name::regclass);
END
$$;

CREATE FUNCTION public.current_incarnation() RETURNS uuid
    LANGUAGE plpgsql
    AS $$
DECLARE
    confirmed CONSTANT uuid := incarnation_if_confirmed();
BEGIN
    IF confirmed IS NULL THEN
        RAISE EXCEPTION 'the database was restored, copied or promoted, and this is not recorded yet'
            USING ERRCODE = 'PM001';
    END IF;
    RETURN confirmed;
END
$$;

CREATE FUNCTION public.database_clock() RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT statement_timestamp() + coalesce(nullif(current_setting('premade.clock_shift', true), ''), '0')::interval
$$;

CREATE FUNCTION public.database_files_changed_at() RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF has_function_privilege('pg_stat_file(text)', 'execute') THEN
        RETURN (pg_stat_file('PG_VERSION')).change;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.database_oid() RETURNS oid
    LANGUAGE sql STABLE
    RETURN (SELECT pg_database.oid FROM pg_database WHERE (pg_database.datname = current_database()));

CREATE FUNCTION public.database_server() RETURNS text
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN 'in recovery';
    END IF;
    RETURN (
        SELECT concat_ws('.', system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8)) FROM pg_control_system()
    );
END
$$;

CREATE FUNCTION public.fits_currency(amount numeric, currency text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
BEGIN
    RETURN coalesce(
        amount < 'Infinity' AND amount = round(
            amount,
            CASE
                WHEN currency IN (
                    'AED', 'AFN', 'ALL', 'AMD', 'AOA', 'ARS', 'AUD', 'AWG', 'AZN', 'BAM', 'BBD', 'BDT', 'BMD', 'BND',
                    'BOB', 'BOV', 'BRL', 'BSD', 'BTN', 'BWP', 'BYN', 'BZD', 'CAD', 'CDF', 'CHE', 'CHF', 'CHW', 'CNY',
                    'COP', 'COU', 'CRC', 'CUP', 'CVE', 'CZK', 'DKK', 'DOP', 'DZD', 'EGP', 'ERN', 'ETB', 'EUR', 'FJD',
                    'FKP', 'GBP', 'GEL', 'GHS', 'GIP', 'GMD', 'GTQ', 'GYD', 'HKD', 'HNL', 'HTG', 'HUF', 'IDR', 'ILS',
                    'INR', 'IRR', 'JMD', 'KES', 'KGS', 'KHR', 'KPW', 'KYD', 'KZT', 'LAK', 'LBP', 'LKR', 'LRD', 'LSL',
                    'MAD', 'MDL', 'MGA', 'MKD', 'MMK', 'MNT', 'MOP', 'MRU', 'MUR', 'MVR', 'MWK', 'MXN', 'MXV', 'MYR',
                    'MZN', 'NAD', 'NGN', 'NIO', 'NOK', 'NPR', 'NZD', 'PAB', 'PEN', 'PGK', 'PHP', 'PKR', 'PLN', 'QAR',
                    'RON', 'RSD', 'RUB', 'SAR', 'SBD', 'SCR', 'SDG', 'SEK', 'SGD', 'SHP', 'SLE', 'SOS', 'SRD', 'SSP',
                    'STN', 'SVC', 'SYP', 'SZL', 'THB', 'TJS', 'TMT', 'TOP', 'TRY', 'TTD', 'TWD', 'TZS', 'UAH', 'USD',
                    'USN', 'UYU', 'UZS', 'VED', 'VES', 'WST', 'XAD', 'XCD', 'XCG', 'YER', 'ZAR', 'ZMW', 'ZWG'
                ) THEN 2
                WHEN currency IN (
                    'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
                    'XAF', 'XOF', 'XPF'
                ) THEN 0
                WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
                WHEN currency IN ('CLF', 'UYW') THEN 4
            END
        ),
        false
    );
END
$$;

CREATE FUNCTION public.incarnation_if_confirmed() RETURNS uuid
    LANGUAGE plpgsql
    AS $$
DECLARE
    confirmed uuid;
BEGIN
    SELECT (array_agg(i.incarnation_id))[1] INTO confirmed
    FROM database_incarnation i
    HAVING count(*) = 1 AND bool_and(
        i.xmin = i.written_in::xid AND i.database_oid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND i.clocks_from_ms <= least(
            coalesce(pg_sequence_last_value('ticket_code_ms'), 0), coalesce(pg_sequence_last_value('order_id_ms'), 0),
            coalesce(pg_sequence_last_value('reservation_id_ms'), 0)
        )
        AND CASE
            WHEN i.server_started_at = pg_postmaster_start_time() THEN true
            ELSE i.server = database_server()
                AND coalesce(i.files_changed_at = database_files_changed_at(), true)
        END
    );
    RETURN confirmed;
END
$$;

CREATE FUNCTION public.logical_gap(n bigint, for_partner bigint) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    share double precision := random();
BEGIN
    IF for_partner IS NOT NULL THEN
        SELECT ('x' || encode(substring(
            sha256(convert_to(concat_ws(':', gap_secret, for_partner, floor(extract(epoch FROM clock_timestamp()) / 3600)), 'UTF8'))
            FOR 4
        ), 'hex'))::bit(32)::bigint / 4294967296.0 INTO share
        FROM database_incarnation LIMIT 1;
    END IF;
    RETURN floor(n * (power(4, share) - 1));
END
$$;

CREATE FUNCTION public.logical_lead_max_ms() RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN 3600000;

CREATE FUNCTION public.operator_partner() RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN NULL::bigint;

CREATE FUNCTION public.recorded_at(data jsonb, occurred_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT CASE WHEN data ? 'synced_at' THEN (data ->> 'synced_at')::timestamptz ELSE occurred_at END $$;

CREATE FUNCTION public.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit record is append-only: % is refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_is_append_only', TABLE = TG_TABLE_NAME;
END
$$;

CREATE FUNCTION public.refuse_batch_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'a batch is made once: that change of batch % is refused', OLD.batch_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'batch_is_made_once', TABLE = TG_TABLE_NAME;
END
$$;

CREATE FUNCTION public.refuse_ticket_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'ticket state machine: % of ticket % is refused', TG_ARGV[0], coalesce(OLD.ticket_code, NEW.ticket_code)
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ticket_state_machine', TABLE = TG_TABLE_NAME;
END
$$;

CREATE FUNCTION public.refuse_ticket_price() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    wrong record;
BEGIN
    SELECT price, currency INTO wrong
    FROM (SELECT DISTINCT price, currency FROM new_tickets) AS prices
    WHERE NOT fits_currency(price, currency) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a ticket at % %: the currency is unknown or has fewer decimals', wrong.price, wrong.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ticket_price_fits_its_currency', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.stock_at(own timestamp with time zone) RETURNS TABLE(product_id bigint, channel text, allotted integer, issued integer, held integer, stale integer, available integer)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT a.product_id, a.channel, a.allotted, a.issued, a.held - expired.held, expired.held,
           a.allotted - a.issued - a.held + expired.held
    FROM allotments a
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.quantity - r.taken), 0)::integer AS held
        FROM reservations r
        -- As the index reservations_not_ended has it.
        WHERE r.product_id = a.product_id AND r.channel = a.channel AND r.ended_at IS NULL AND r.expires_at <= both_clocks(own)
    ) AS expired
$$;

CREATE FUNCTION public.take_audit_key() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO audit_keys (partner_id, operation, idempotency_key, event_id, occurred_at)
    VALUES (NEW.partner_id, NEW.operation, NEW.idempotency_key, NEW.event_id, NEW.occurred_at)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN NEW;
    END IF;
    -- These statements leave out an event that is already recorded. All others are refused.
    IF NEW.operation IN ('redeem', 'sync', 'look') THEN
        RETURN NULL;
    END IF;
    RAISE unique_violation USING
        MESSAGE = 'the Idempotency-Key is used', TABLE = 'audit_events', CONSTRAINT = 'audit_idempotency_key_taken';
END
$$;

CREATE FUNCTION public.take_logical_ms(clock regclass, n bigint, for_partner bigint DEFAULT NULL::bigint) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    lock_space CONSTANT integer := 1886547309;
    clock_key CONSTANT integer := clock::oid::integer;
    lead_of_clock CONSTANT regclass := clock::text || '_lead';
    usual_lead CONSTANT bigint := logical_lead_max_ms();
    wait_max CONSTANT bigint := 1000;
    now_ms bigint;
    last_ms bigint;
    first_ms bigint;
    end_ms bigint;
    lead bigint;
BEGIN
    PERFORM current_incarnation();
    BEGIN
        PERFORM pg_advisory_lock(lock_space, clock_key);
        now_ms := floor(extract(epoch FROM clock_timestamp()) * 1000);
        last_ms := coalesce(pg_sequence_last_value(clock), 0);
        lead := coalesce(pg_sequence_last_value(lead_of_clock), usual_lead);
        IF last_ms - now_ms > lead + wait_max THEN
            -- The wall clock was set back. It goes on from here, a tick a millisecond.
            lead := setval(lead_of_clock, last_ms - now_ms);
        ELSIF lead > usual_lead AND last_ms - now_ms < lead THEN
            lead := setval(lead_of_clock, greatest(usual_lead, last_ms - now_ms));
        END IF;
        first_ms := greatest(now_ms, last_ms + 1);
        end_ms := first_ms + n - 1;
        IF end_ms - now_ms - lead > wait_max THEN
            RAISE EXCEPTION 'clock % is % ms ahead, and may be %', clock, end_ms - now_ms, lead USING ERRCODE = 'PM002';
        END IF;
        -- A gap never makes anybody wait.
        PERFORM setval(clock, greatest(end_ms, least(end_ms + logical_gap(n, for_partner), now_ms + lead)));
        PERFORM pg_advisory_unlock(lock_space, clock_key);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        IF EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
                AND classid = lock_space::oid AND objid = clock::oid AND objsubid = 2
        ) THEN
            PERFORM pg_advisory_unlock(lock_space, clock_key);
        END IF;
        RAISE;
    END;
    IF end_ms > now_ms + lead THEN
        PERFORM pg_sleep((end_ms - now_ms - lead) / 1000.0);
    END IF;
    RETURN first_ms;
END
$$;

CREATE FUNCTION public.tickets_by_state(of_partner_id bigint, of_batch_id text, is_counted boolean) RETURNS TABLE(pre_generated bigint, active bigint, used bigint, expired bigint, cancelled bigint)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT count(*) FILTER (WHERE t.status = 'PRE_GENERATED'),
           count(*) FILTER (WHERE t.status = 'ACTIVE'),
           count(*) FILTER (WHERE t.status = 'USED'),
           count(*) FILTER (WHERE t.status = 'EXPIRED'),
           count(*) FILTER (WHERE t.status = 'CANCELLED')
    FROM pre_generated_tickets t
    WHERE t.partner_id = of_partner_id AND t.batch_id = of_batch_id AND is_counted
$$;

CREATE TABLE public.activation_spans (
    span timestamp with time zone NOT NULL,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    activated bigint NOT NULL
);

CREATE TABLE public.allotments (
    product_id bigint NOT NULL,
    channel text NOT NULL,
    allotted integer NOT NULL,
    issued integer DEFAULT 0 NOT NULL,
    held integer DEFAULT 0 NOT NULL,
    CONSTRAINT allotted_not_negative CHECK ((allotted >= 0)),
    CONSTRAINT available_not_negative CHECK ((((allotted - issued) - held) >= 0)),
    CONSTRAINT held_not_negative CHECK ((held >= 0)),
    CONSTRAINT issued_not_negative CHECK ((issued >= 0))
)
WITH (fillfactor='50');

CREATE TABLE public.api_keys (
    key_id bigint NOT NULL,
    partner_id bigint,
    prefix text NOT NULL,
    digest bytea NOT NULL,
    permissions text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    rotated_from bigint,
    made_once text,
    is_test boolean DEFAULT false NOT NULL,
    first_key_id bigint,
    label text DEFAULT ''::text NOT NULL,
    networks text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT api_key_digest_is_sha256 CHECK ((octet_length(digest) = 32)),
    CONSTRAINT api_key_has_permissions CHECK ((cardinality(permissions) > 0)),
    CONSTRAINT api_key_permissions_known CHECK ((permissions <@ ARRAY['tickets:bulk-generate'::text, 'tickets:activate'::text, 'tickets:read'::text, 'tickets:cancel'::text, 'inventory:read'::text, 'inventory:reserve'::text, 'orders:read'::text, 'gate:redeem'::text, 'gate:manual-entry'::text])),
    CONSTRAINT api_key_test_mode_is_the_operators CHECK (((NOT is_test) OR (partner_id IS NULL)))
);

ALTER TABLE public.api_keys ALTER COLUMN key_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_keys_key_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.attempts (
    subject bytea NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    count integer NOT NULL,
    CONSTRAINT attempts_count_not_negative CHECK ((count >= 0)),
    CONSTRAINT attempts_subject_is_sha256 CHECK ((octet_length(subject) = 32))
);

CREATE TABLE public.audit_archives (
    month date NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    rows bigint NOT NULL,
    last_transaction_id xid8 NOT NULL,
    digest text NOT NULL,
    archived_at timestamp with time zone NOT NULL
);

CREATE TABLE public.audit_events (
    event_id bigint NOT NULL,
    partner_id bigint,
    event text NOT NULL,
    actor text NOT NULL,
    request_id text,
    batch_id text,
    ticket_code text,
    order_id text,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    operation text,
    idempotency_key text,
    request_digest bytea,
    transaction_id xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT audit_key_with_its_request CHECK ((((idempotency_key IS NULL) = (request_digest IS NULL)) AND ((idempotency_key IS NULL) OR (operation IS NOT NULL))))
)
PARTITION BY RANGE (occurred_at);

CREATE SEQUENCE public.audit_events_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.audit_events_event_id_seq OWNED BY public.audit_events.event_id;

CREATE TABLE public.audit_events_default (
    event_id bigint DEFAULT nextval('public.audit_events_event_id_seq'::regclass) CONSTRAINT audit_events_event_id_not_null NOT NULL,
    partner_id bigint,
    event text CONSTRAINT audit_events_event_not_null NOT NULL,
    actor text CONSTRAINT audit_events_actor_not_null NOT NULL,
    request_id text,
    batch_id text,
    ticket_code text,
    order_id text,
    data jsonb DEFAULT '{}'::jsonb CONSTRAINT audit_events_data_not_null NOT NULL,
    occurred_at timestamp with time zone CONSTRAINT audit_events_occurred_at_not_null NOT NULL,
    operation text,
    idempotency_key text,
    request_digest bytea,
    transaction_id xid8 DEFAULT pg_current_xact_id() CONSTRAINT audit_events_transaction_id_not_null NOT NULL,
    CONSTRAINT audit_key_with_its_request CHECK ((((idempotency_key IS NULL) = (request_digest IS NULL)) AND ((idempotency_key IS NULL) OR (operation IS NOT NULL))))
);

CREATE TABLE public.audit_keys (
    partner_id bigint NOT NULL,
    operation text NOT NULL,
    idempotency_key text NOT NULL,
    event_id bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL
);

CREATE VIEW public.audit_months AS
 SELECT (c.relname)::text AS table_name,
    COALESCE(("substring"(b.bound, 'FROM \(''([^'']+)''\)'::text))::timestamp with time zone, '-infinity'::timestamp with time zone) AS starts_at,
    ("substring"(b.bound, 'TO \(''([^'']+)''\)'::text))::timestamp with time zone AS ends_at
   FROM ((pg_inherits i
     JOIN pg_class c ON ((c.oid = i.inhrelid)))
     CROSS JOIN LATERAL ( SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) b)
  WHERE ((i.inhparent = ('public.audit_events'::regclass)::oid) AND (b.bound <> 'DEFAULT'::text));

CREATE TABLE public.background_runs (
    job text NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    pause_seconds double precision NOT NULL
);

CREATE TABLE public.batches (
    partner_id bigint NOT NULL,
    batch_id text NOT NULL,
    product_id bigint NOT NULL,
    channel text NOT NULL,
    quantity integer NOT NULL,
    entitlements jsonb NOT NULL,
    price numeric NOT NULL,
    currency text NOT NULL,
    valid_until date,
    metadata jsonb,
    signing_key_id text NOT NULL,
    idempotency_key text,
    request_digest bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    usable_days integer,
    usable_until date,
    reservation_id text,
    expired_at timestamp with time zone,
    to_make integer DEFAULT 0 NOT NULL,
    unmade integer DEFAULT 0 NOT NULL,
    CONSTRAINT batch_being_made_or_stopped CHECK (((to_make = 0) OR (unmade = 0))),
    CONSTRAINT batch_id_form CHECK ((batch_id ~ '^[A-Za-z0-9._:-]{1,64}$'::text)),
    CONSTRAINT batch_made_within_quantity CHECK (((to_make >= 0) AND (unmade >= 0) AND ((to_make + unmade) <= quantity))),
    CONSTRAINT batch_price_fits_its_currency CHECK (public.fits_currency(price, currency)),
    CONSTRAINT batch_quantity_positive CHECK ((quantity > 0))
);

CREATE TABLE public.channels (
    channel text NOT NULL,
    is_test boolean DEFAULT false NOT NULL,
    CONSTRAINT channel_name CHECK ((channel ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text))
);

CREATE TABLE public.customer_retention (
    is_only boolean DEFAULT true NOT NULL,
    last_order_id text DEFAULT ''::text NOT NULL,
    pass_ended_at timestamp with time zone,
    CONSTRAINT customer_retention_has_one_row CHECK (is_only)
);

CREATE TABLE public.database_incarnation (
    incarnation_id uuid DEFAULT gen_random_uuid() NOT NULL,
    gap_secret uuid DEFAULT gen_random_uuid() NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    written_in xid8 DEFAULT pg_current_xact_id() NOT NULL,
    database_oid oid NOT NULL,
    server text NOT NULL,
    server_started_at timestamp with time zone NOT NULL,
    files_changed_at timestamp with time zone,
    clocks_from_ms bigint DEFAULT 0 NOT NULL,
    marker text
);

ALTER TABLE ONLY public.database_incarnation REPLICA IDENTITY FULL;

CREATE TABLE public.function_names (
    function_code text NOT NULL,
    names jsonb NOT NULL,
    CONSTRAINT function_names_object CHECK ((jsonb_typeof(names) = 'object'::text))
);

CREATE TABLE public.gate_counts (
    day date NOT NULL,
    owner text NOT NULL,
    device_id text NOT NULL,
    code text NOT NULL,
    partner_id bigint,
    counted bigint NOT NULL,
    last_at timestamp with time zone NOT NULL
);

CREATE TABLE public.gate_devices (
    gate_device_id bigint NOT NULL,
    owner text NOT NULL,
    device_id text NOT NULL,
    partner_id bigint,
    state text NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    registered_by text NOT NULL,
    last_used_at timestamp with time zone NOT NULL,
    last_used_by text NOT NULL,
    CONSTRAINT gate_devices_state CHECK ((state = ANY (ARRAY['APPROVED'::text, 'UNAPPROVED'::text, 'REVOKED'::text])))
);

ALTER TABLE public.gate_devices ALTER COLUMN gate_device_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.gate_devices_gate_device_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE UNLOGGED TABLE public.long_reads (
    partner_id bigint NOT NULL,
    place integer NOT NULL,
    holder uuid NOT NULL,
    ends_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

CREATE SEQUENCE public.order_id_ms
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE SEQUENCE public.order_id_ms_lead
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.ota_orders (
    order_id text NOT NULL,
    partner_id bigint NOT NULL,
    customer_name text NOT NULL,
    customer_email text NOT NULL,
    customer_phone text NOT NULL,
    payment_reference text NOT NULL,
    total_amount numeric NOT NULL,
    currency text NOT NULL,
    status text DEFAULT 'CONFIRMED'::text NOT NULL,
    operation text NOT NULL,
    idempotency_key text,
    request_digest bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ticket_codes text[] NOT NULL,
    customer_erased_at timestamp with time zone,
    CONSTRAINT order_amount_fits_its_currency CHECK (public.fits_currency(total_amount, currency)),
    CONSTRAINT order_has_tickets CHECK ((cardinality(ticket_codes) > 0)),
    CONSTRAINT order_id_form CHECK ((order_id ~ '^ORD-[0-9]{13}$'::text)),
    CONSTRAINT order_status_known CHECK ((status = ANY (ARRAY['CONFIRMED'::text, 'PARTLY_CANCELLED'::text, 'CANCELLED'::text])))
);

CREATE TABLE public.partner_limits (
    partner_id bigint NOT NULL,
    limit_name text NOT NULL,
    value bigint NOT NULL,
    CONSTRAINT partner_limits_value_not_negative CHECK ((value >= 0))
);

CREATE TABLE public.partners (
    partner_id bigint NOT NULL,
    name text NOT NULL,
    channel text NOT NULL,
    is_test boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    reservation_hours_max integer DEFAULT 168 NOT NULL,
    name_key text NOT NULL,
    CONSTRAINT partner_name_length CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT partner_reservation_hours CHECK (((reservation_hours_max >= 1) AND (reservation_hours_max <= 8760)))
);

ALTER TABLE public.partners ALTER COLUMN partner_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.partners_partner_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.pre_generated_tickets (
    ticket_id bigint NOT NULL,
    ticket_code text NOT NULL,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    batch_id text NOT NULL,
    qr_code text NOT NULL,
    issue_number integer DEFAULT 1 NOT NULL,
    status text DEFAULT 'PRE_GENERATED'::text NOT NULL,
    entitlements jsonb NOT NULL,
    price numeric NOT NULL,
    currency text NOT NULL,
    valid_until date,
    created_at timestamp with time zone NOT NULL,
    activated_at timestamp with time zone,
    order_id text,
    usable_days integer,
    usable_until date,
    first_used_at timestamp with time zone,
    CONSTRAINT issue_number_within_limit CHECK (((issue_number >= 1) AND (issue_number <= 999))),
    CONSTRAINT ticket_code_form CHECK ((ticket_code ~ '^[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}$'::text)),
    CONSTRAINT ticket_entitlements_are_a_list CHECK ((jsonb_typeof(entitlements) = 'array'::text)),
    CONSTRAINT ticket_sold_exactly_with_an_order CHECK (
CASE
    WHEN (status = ANY (ARRAY['ACTIVE'::text, 'USED'::text])) THEN ((order_id IS NOT NULL) AND (activated_at IS NOT NULL))
    WHEN (status = ANY (ARRAY['PRE_GENERATED'::text, 'EXPIRED'::text])) THEN ((order_id IS NULL) AND (activated_at IS NULL))
    ELSE ((order_id IS NULL) = (activated_at IS NULL))
END),
    CONSTRAINT ticket_status_known CHECK ((status = ANY (ARRAY['PRE_GENERATED'::text, 'ACTIVE'::text, 'USED'::text, 'EXPIRED'::text, 'CANCELLED'::text])))
)
WITH (fillfactor='85');

ALTER TABLE public.pre_generated_tickets ALTER COLUMN ticket_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.pre_generated_tickets_ticket_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.product_functions (
    product_id bigint NOT NULL,
    function_code text NOT NULL,
    uses integer NOT NULL,
    "position" smallint NOT NULL,
    CONSTRAINT function_code_form CHECK ((function_code ~ '^[a-z][a-z0-9_]{0,63}$'::text)),
    CONSTRAINT function_uses_within_limit CHECK (((uses >= 1) AND (uses <= 10000)))
);

CREATE TABLE public.products (
    product_id bigint NOT NULL,
    name text NOT NULL,
    ticket_type text NOT NULL,
    code_prefix text DEFAULT 'CRUISE'::text NOT NULL,
    price numeric NOT NULL,
    currency text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    usable_days integer,
    usable_until date,
    cancellation text DEFAULT 'until_first_use'::text NOT NULL,
    names jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT product_cancellation_known CHECK ((cancellation = ANY (ARRAY['until_first_use'::text, 'never'::text]))),
    CONSTRAINT product_code_prefix CHECK ((code_prefix ~ '^[A-Z]{2,12}$'::text)),
    CONSTRAINT product_currency_is_iso_4217 CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT product_id_positive CHECK ((product_id > 0)),
    CONSTRAINT product_name_length CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT product_price_fits_its_currency CHECK (public.fits_currency(price, currency)),
    CONSTRAINT product_price_not_negative CHECK ((price >= (0)::numeric)),
    CONSTRAINT product_price_within_limit CHECK ((price <= 9999999999.99)),
    CONSTRAINT product_ticket_type CHECK ((ticket_type ~ '^[A-Z]{2,12}$'::text)),
    CONSTRAINT product_usable_days CHECK (((usable_days >= 0) AND (usable_days <= 3650))),
    CONSTRAINT product_usable_in_one_way CHECK (((usable_days IS NULL) OR (usable_until IS NULL)))
);

CREATE UNLOGGED TABLE public.rate_buckets (
    key_id bigint NOT NULL,
    operation_class text NOT NULL,
    full_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE public.refusal_days (
    day date NOT NULL,
    partner_id bigint,
    code text NOT NULL,
    refused bigint NOT NULL
);

ALTER TABLE ONLY public.refusal_days REPLICA IDENTITY FULL;

CREATE SEQUENCE public.reservation_id_ms
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE SEQUENCE public.reservation_id_ms_lead
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.reservations (
    reservation_id text NOT NULL,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    channel text NOT NULL,
    quantity integer NOT NULL,
    taken integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    end_reason text,
    idempotency_key text,
    request_digest bytea NOT NULL,
    CONSTRAINT reservation_end_reason_known CHECK ((end_reason = ANY (ARRAY['released'::text, 'expired'::text, 'used_up'::text]))),
    CONSTRAINT reservation_ends_for_a_reason CHECK (((ended_at IS NULL) = (end_reason IS NULL))),
    CONSTRAINT reservation_expires_later CHECK ((expires_at > created_at)),
    CONSTRAINT reservation_id_form CHECK ((reservation_id ~ '^RSV-[0-9]{13}$'::text)),
    CONSTRAINT reservation_quantity_positive CHECK ((quantity > 0)),
    CONSTRAINT reservation_taken_within_quantity CHECK (((taken >= 0) AND (taken <= quantity)))
);

CREATE TABLE public.sales_days (
    day date NOT NULL,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    currency text NOT NULL,
    tickets bigint NOT NULL,
    amount numeric NOT NULL
);

CREATE TABLE public.schema_migrations (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.signing_keys (
    key_id text NOT NULL,
    seed bytea,
    public_key bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone,
    sealed_seed bytea,
    CONSTRAINT signing_key_has_one_seed CHECK ((num_nonnulls(seed, sealed_seed) = 1)),
    CONSTRAINT signing_key_id_form CHECK ((key_id ~ '^[KT][0-9]{1,3}$'::text)),
    CONSTRAINT signing_key_public_is_ed25519 CHECK ((octet_length(public_key) = 32)),
    CONSTRAINT signing_key_seed_is_ed25519 CHECK ((octet_length(seed) = 32))
);

CREATE TABLE public.staff (
    staff_id bigint NOT NULL,
    name text NOT NULL,
    password_digest text NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT staff_name_form CHECK ((name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'::text)),
    CONSTRAINT staff_password_is_argon2id CHECK ((password_digest ~~ '$argon2id$%'::text)),
    CONSTRAINT staff_role_known CHECK ((role = ANY (ARRAY['admin'::text, 'operations'::text, 'finance'::text, 'gate'::text])))
);

CREATE TABLE public.staff_browsers (
    digest bytea NOT NULL,
    staff_id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT staff_browser_digest_is_sha256 CHECK ((octet_length(digest) = 32)),
    CONSTRAINT staff_browser_expires_later CHECK ((expires_at > created_at))
);

CREATE TABLE public.staff_half_sign_ins (
    digest bytea NOT NULL,
    staff_id bigint NOT NULL,
    password_digest text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    by_provider boolean DEFAULT false NOT NULL,
    CONSTRAINT staff_half_sign_in_digest_is_sha256 CHECK ((octet_length(digest) = 32))
);

CREATE TABLE public.staff_provider_accounts (
    staff_id bigint NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    linked_at timestamp with time zone NOT NULL
);

CREATE TABLE public.staff_recovery_codes (
    staff_id bigint NOT NULL,
    digest bytea NOT NULL,
    CONSTRAINT staff_recovery_code_digest_is_sha256 CHECK ((octet_length(digest) = 32))
);

CREATE TABLE public.staff_second_factors (
    staff_id bigint NOT NULL,
    secret text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_step bigint NOT NULL
);

CREATE TABLE public.staff_sessions (
    digest bytea NOT NULL,
    staff_id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT staff_session_digest_is_sha256 CHECK ((octet_length(digest) = 32)),
    CONSTRAINT staff_session_expires_later CHECK ((expires_at > created_at))
);

ALTER TABLE public.staff ALTER COLUMN staff_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.staff_staff_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.ticket_code_ms
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE SEQUENCE public.ticket_code_ms_lead
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.ticket_deltas (
    delta_id bigint NOT NULL,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    last_day date NOT NULL,
    span timestamp with time zone,
    unused_change integer NOT NULL,
    activated integer NOT NULL,
    currency text,
    amount numeric DEFAULT 0 NOT NULL
);

ALTER TABLE public.ticket_deltas ALTER COLUMN delta_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ticket_deltas_delta_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ticket_totals (
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    last_day date NOT NULL,
    unused bigint NOT NULL
);

ALTER TABLE ONLY public.audit_events ATTACH PARTITION public.audit_events_default DEFAULT;

ALTER TABLE ONLY public.audit_events ALTER COLUMN event_id SET DEFAULT nextval('public.audit_events_event_id_seq'::regclass);

ALTER TABLE ONLY public.activation_spans
    ADD CONSTRAINT activation_spans_pkey PRIMARY KEY (span, partner_id, product_id);

ALTER TABLE ONLY public.allotments
    ADD CONSTRAINT allotments_pkey PRIMARY KEY (product_id, channel);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_key_made_once UNIQUE (made_once);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_prefix_taken UNIQUE (prefix);

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.audit_archives
    ADD CONSTRAINT audit_archives_pkey PRIMARY KEY (month);

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (event_id, occurred_at);

ALTER TABLE ONLY public.audit_events_default
    ADD CONSTRAINT audit_events_default_pkey PRIMARY KEY (event_id, occurred_at);

ALTER TABLE ONLY public.audit_keys
    ADD CONSTRAINT audit_keys_pkey PRIMARY KEY (partner_id, operation, idempotency_key);

ALTER TABLE ONLY public.background_runs
    ADD CONSTRAINT background_runs_pkey PRIMARY KEY (job);

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batch_id_taken PRIMARY KEY (partner_id, batch_id);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_channel_is_test UNIQUE (channel, is_test);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_pkey PRIMARY KEY (channel);

ALTER TABLE ONLY public.customer_retention
    ADD CONSTRAINT customer_retention_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY public.function_names
    ADD CONSTRAINT function_names_pkey PRIMARY KEY (function_code);

ALTER TABLE ONLY public.gate_counts
    ADD CONSTRAINT gate_counts_pkey PRIMARY KEY (day, owner, device_id, code);

ALTER TABLE ONLY public.gate_devices
    ADD CONSTRAINT gate_devices_pkey PRIMARY KEY (gate_device_id);

ALTER TABLE ONLY public.gate_devices
    ADD CONSTRAINT gate_devices_unique UNIQUE (owner, device_id);

ALTER TABLE ONLY public.long_reads
    ADD CONSTRAINT long_reads_pkey PRIMARY KEY (partner_id, place);

ALTER TABLE ONLY public.ota_orders
    ADD CONSTRAINT ota_orders_by_partner UNIQUE (partner_id, order_id);

ALTER TABLE ONLY public.ota_orders
    ADD CONSTRAINT ota_orders_pkey PRIMARY KEY (order_id);

ALTER TABLE ONLY public.partner_limits
    ADD CONSTRAINT partner_limits_pkey PRIMARY KEY (partner_id, limit_name);

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partners_name_taken UNIQUE (name);

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partners_pkey PRIMARY KEY (partner_id);

ALTER TABLE ONLY public.pre_generated_tickets
    ADD CONSTRAINT pre_generated_tickets_pkey PRIMARY KEY (ticket_id);

ALTER TABLE ONLY public.product_functions
    ADD CONSTRAINT product_functions_pkey PRIMARY KEY (product_id, function_code);

ALTER TABLE ONLY public.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (product_id);

ALTER TABLE ONLY public.rate_buckets
    ADD CONSTRAINT rate_buckets_pkey PRIMARY KEY (key_id, operation_class);

ALTER TABLE ONLY public.refusal_days
    ADD CONSTRAINT refusal_day_once UNIQUE NULLS NOT DISTINCT (day, partner_id, code);

ALTER TABLE ONLY public.reservations
    ADD CONSTRAINT reservations_pkey PRIMARY KEY (reservation_id);

ALTER TABLE ONLY public.sales_days
    ADD CONSTRAINT sales_days_pkey PRIMARY KEY (day, partner_id, product_id, currency);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY public.staff_browsers
    ADD CONSTRAINT staff_browsers_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY public.staff_half_sign_ins
    ADD CONSTRAINT staff_half_sign_ins_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_name_taken UNIQUE (name);

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_pkey PRIMARY KEY (staff_id);

ALTER TABLE ONLY public.staff_provider_accounts
    ADD CONSTRAINT staff_provider_account_has_one_member UNIQUE (issuer, subject);

ALTER TABLE ONLY public.staff_provider_accounts
    ADD CONSTRAINT staff_provider_accounts_pkey PRIMARY KEY (staff_id, issuer);

ALTER TABLE ONLY public.staff_recovery_codes
    ADD CONSTRAINT staff_recovery_codes_pkey PRIMARY KEY (staff_id, digest);

ALTER TABLE ONLY public.staff_second_factors
    ADD CONSTRAINT staff_second_factors_pkey PRIMARY KEY (staff_id);

ALTER TABLE ONLY public.staff_sessions
    ADD CONSTRAINT staff_sessions_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY public.pre_generated_tickets
    ADD CONSTRAINT ticket_code_taken UNIQUE (ticket_code);

ALTER TABLE ONLY public.ticket_deltas
    ADD CONSTRAINT ticket_deltas_pkey PRIMARY KEY (delta_id);

ALTER TABLE ONLY public.ticket_totals
    ADD CONSTRAINT ticket_totals_pkey PRIMARY KEY (partner_id, product_id, last_day);

CREATE INDEX api_keys_by_partner ON public.api_keys USING btree (partner_id);

CREATE INDEX attempts_by_end ON public.attempts USING btree (ends_at);

CREATE INDEX audit_events_by_actor ON ONLY public.audit_events USING btree (actor, event_id) WHERE (actor !~~ 'key:%'::text);

CREATE INDEX audit_events_by_batch ON ONLY public.audit_events USING btree (partner_id, batch_id) WHERE ((batch_id IS NOT NULL) AND (ticket_code IS NULL));

CREATE INDEX audit_events_by_ticket ON ONLY public.audit_events USING btree (partner_id, ticket_code) WHERE (ticket_code IS NOT NULL);

CREATE INDEX audit_events_by_transaction ON ONLY public.audit_events USING btree (transaction_id);

CREATE INDEX audit_events_default_actor_event_id_idx ON public.audit_events_default USING btree (actor, event_id) WHERE (actor !~~ 'key:%'::text);

CREATE INDEX audit_events_of_no_ticket ON ONLY public.audit_events USING btree (event_id) WHERE (ticket_code IS NULL);

CREATE INDEX audit_events_default_event_id_idx ON public.audit_events_default USING btree (event_id) WHERE (ticket_code IS NULL);

CREATE INDEX audit_events_default_partner_id_batch_id_idx ON public.audit_events_default USING btree (partner_id, batch_id) WHERE ((batch_id IS NOT NULL) AND (ticket_code IS NULL));

CREATE INDEX audit_events_default_partner_id_ticket_code_idx ON public.audit_events_default USING btree (partner_id, ticket_code) WHERE (ticket_code IS NOT NULL);

CREATE INDEX audit_events_default_transaction_id_idx ON public.audit_events_default USING btree (transaction_id);

CREATE INDEX batches_being_made ON public.batches USING btree (created_at) WHERE ((to_make + 0) > 0);

CREATE INDEX batches_by_partner ON public.batches USING btree (((partner_id + 0)), created_at, batch_id);

CREATE INDEX batches_by_time ON public.batches USING btree (created_at);

CREATE UNIQUE INDEX batches_idempotency_key_taken ON public.batches USING btree (partner_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX batches_to_expire ON public.batches USING btree (valid_until) WHERE ((expired_at IS NULL) AND (valid_until IS NOT NULL));

CREATE INDEX gate_devices_registered_by ON public.gate_devices USING btree (registered_by, last_used_at);

CREATE INDEX ota_orders_by_email ON public.ota_orders USING btree (hashtextextended(lower(customer_email), (0)::bigint), created_at);

CREATE INDEX ota_orders_by_payment ON public.ota_orders USING btree (payment_reference, ((partner_id + 0)), ((order_id || ''::text)));

CREATE INDEX ota_orders_by_phone ON public.ota_orders USING btree ("right"(customer_phone, 7), created_at);

CREATE UNIQUE INDEX ota_orders_idempotency_key_taken ON public.ota_orders USING btree (partner_id, operation, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE UNIQUE INDEX partners_name_key_taken ON public.partners USING btree (name_key);

CREATE INDEX reservations_by_partner ON public.reservations USING btree (partner_id, reservation_id);

CREATE UNIQUE INDEX reservations_idempotency_key_taken ON public.reservations USING btree (partner_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX reservations_not_ended ON public.reservations USING btree (product_id, channel, expires_at) WHERE (ended_at IS NULL);

CREATE INDEX staff_browsers_by_staff ON public.staff_browsers USING btree (staff_id, created_at);

CREATE INDEX staff_half_sign_ins_by_expiry ON public.staff_half_sign_ins USING btree (expires_at);

CREATE INDEX staff_sessions_by_expiry ON public.staff_sessions USING btree (expires_at);

CREATE INDEX staff_sessions_by_staff ON public.staff_sessions USING btree (staff_id);

CREATE INDEX tickets_by_batch ON public.pre_generated_tickets USING btree (partner_id, batch_id, ticket_code);

CREATE INDEX tickets_by_time ON public.pre_generated_tickets USING btree (partner_id, created_at, ticket_id);

ALTER INDEX public.audit_events_by_actor ATTACH PARTITION public.audit_events_default_actor_event_id_idx;

ALTER INDEX public.audit_events_of_no_ticket ATTACH PARTITION public.audit_events_default_event_id_idx;

ALTER INDEX public.audit_events_by_batch ATTACH PARTITION public.audit_events_default_partner_id_batch_id_idx;

ALTER INDEX public.audit_events_by_ticket ATTACH PARTITION public.audit_events_default_partner_id_ticket_code_idx;

ALTER INDEX public.audit_events_pkey ATTACH PARTITION public.audit_events_default_pkey;

ALTER INDEX public.audit_events_by_transaction ATTACH PARTITION public.audit_events_default_transaction_id_idx;

CREATE TRIGGER audit_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_audit_change();

CREATE TRIGGER audit_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_events_default FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_audit_change();

CREATE TRIGGER audit_key_is_used_once BEFORE INSERT ON public.audit_events FOR EACH ROW WHEN ((new.idempotency_key IS NOT NULL)) EXECUTE FUNCTION public.take_audit_key();

CREATE TRIGGER batch_is_made_once BEFORE UPDATE ON public.batches FOR EACH ROW WHEN (((new.to_make > old.to_make) OR (new.unmade < old.unmade) OR ((new.to_make + new.unmade) > (old.to_make + old.unmade)))) EXECUTE FUNCTION public.refuse_batch_change();

CREATE TRIGGER changed_tickets_are_counted AFTER UPDATE ON public.pre_generated_tickets REFERENCING OLD TABLE AS old_tickets NEW TABLE AS new_tickets FOR EACH STATEMENT EXECUTE FUNCTION public.count_changed_tickets();

CREATE TRIGGER generated_tickets_are_counted AFTER INSERT ON public.pre_generated_tickets REFERENCING NEW TABLE AS new_tickets FOR EACH STATEMENT EXECUTE FUNCTION public.count_generated_tickets();

CREATE TRIGGER ticket_changes_state_as_allowed BEFORE UPDATE ON public.pre_generated_tickets FOR EACH ROW WHEN (((old.status <> new.status) AND (((((((old.status <> 'PRE_GENERATED'::text) OR (new.status <> 'ACTIVE'::text)) AND ((old.status <> 'ACTIVE'::text) OR (new.status <> 'USED'::text))) AND ((old.status <> 'PRE_GENERATED'::text) OR (new.status <> 'EXPIRED'::text))) AND ((old.status <> 'PRE_GENERATED'::text) OR (new.status <> 'CANCELLED'::text))) AND ((old.status <> 'ACTIVE'::text) OR (new.status <> 'CANCELLED'::text))) OR ((new.status = 'CANCELLED'::text) AND (old.first_used_at IS NOT NULL)) OR ((new.status = 'USED'::text) AND (old.entitlements = new.entitlements))))) EXECUTE FUNCTION public.refuse_ticket_change('that change of state');

CREATE TRIGGER ticket_is_never_deleted BEFORE DELETE ON public.pre_generated_tickets FOR EACH ROW EXECUTE FUNCTION public.refuse_ticket_change('deletion');

CREATE TRIGGER ticket_is_used_while_active BEFORE UPDATE ON public.pre_generated_tickets FOR EACH ROW WHEN ((((old.first_used_at IS NOT NULL) AND (new.first_used_at IS NULL)) OR ((old.entitlements <> new.entitlements) AND ((old.status <> 'ACTIVE'::text) OR (new.status <> ALL (ARRAY['ACTIVE'::text, 'USED'::text])) OR (new.first_used_at IS NULL) OR jsonb_path_exists(new.entitlements, '$[*]?(@."remaining_uses" < 0)'::jsonpath) OR ((new.status = 'USED'::text) = jsonb_path_exists(new.entitlements, '$[*]?(@."remaining_uses" > 0)'::jsonpath)))))) EXECUTE FUNCTION public.refuse_ticket_change('that use');

CREATE TRIGGER ticket_keeps_its_identity BEFORE UPDATE ON public.pre_generated_tickets FOR EACH ROW WHEN (((old.ticket_code <> new.ticket_code) OR (old.partner_id <> new.partner_id) OR (old.product_id <> new.product_id) OR (old.batch_id <> new.batch_id) OR (old.price <> new.price) OR (old.currency <> new.currency) OR (old.created_at <> new.created_at) OR ((old.order_id IS NOT NULL) AND (old.order_id IS DISTINCT FROM new.order_id)) OR ((old.activated_at IS NOT NULL) AND (old.activated_at IS DISTINCT FROM new.activated_at)) OR (new.issue_number < old.issue_number))) EXECUTE FUNCTION public.refuse_ticket_change('a change of identity');

CREATE TRIGGER ticket_price_fits_its_currency AFTER INSERT ON public.pre_generated_tickets REFERENCING NEW TABLE AS new_tickets FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_ticket_price();

CREATE TRIGGER ticket_starts_pre_generated BEFORE INSERT ON public.pre_generated_tickets FOR EACH ROW WHEN ((new.status <> 'PRE_GENERATED'::text)) EXECUTE FUNCTION public.refuse_ticket_change('a start in another state');

ALTER TABLE ONLY public.allotments
    ADD CONSTRAINT allotments_channel FOREIGN KEY (channel) REFERENCES public.channels(channel);

ALTER TABLE ONLY public.allotments
    ADD CONSTRAINT allotments_product FOREIGN KEY (product_id) REFERENCES public.products(product_id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_first_key FOREIGN KEY (first_key_id) REFERENCES public.api_keys(key_id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_partner FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_rotated_from FOREIGN KEY (rotated_from) REFERENCES public.api_keys(key_id);

ALTER TABLE public.audit_events
    ADD CONSTRAINT audit_events_partner FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_channel FOREIGN KEY (channel) REFERENCES public.channels(channel);

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_partner FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_product FOREIGN KEY (product_id) REFERENCES public.products(product_id);

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_reservation FOREIGN KEY (reservation_id) REFERENCES public.reservations(reservation_id);

ALTER TABLE ONLY public.batches
    ADD CONSTRAINT batches_signing_key FOREIGN KEY (signing_key_id) REFERENCES public.signing_keys(key_id);

ALTER TABLE ONLY public.gate_counts
    ADD CONSTRAINT gate_counts_partner FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);

ALTER TABLE ONLY public.gate_devices
    ADD CONSTRAINT gate_devices_of_partner FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);

ALTER TABLE ONLY public.ota_orders
    ADD CONSTRAINT ota_orders_partner FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partner_and_channel_both_test_or_both_live FOREIGN KEY (channel, is_test) REFERENCES public.channels(channel, is_test);

ALTER TABLE ONLY public.partner_limits
    ADD CONSTRAINT partner_limits_partner_exists FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);

ALTER TABLE ONLY public.product_functions
    ADD CONSTRAINT product_functions_product FOREIGN KEY (product_id) REFERENCES public.products(product_id);

ALTER TABLE ONLY public.reservations
    ADD CONSTRAINT reservations_allotment FOREIGN KEY (product_id, channel) REFERENCES public.allotments(product_id, channel);

ALTER TABLE ONLY public.reservations
    ADD CONSTRAINT reservations_partner FOREIGN KEY (partner_id) REFERENCES public.partners(partner_id);

ALTER TABLE ONLY public.staff_browsers
    ADD CONSTRAINT staff_browsers_staff FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);

ALTER TABLE ONLY public.staff_half_sign_ins
    ADD CONSTRAINT staff_half_sign_in_of_a_member FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);

ALTER TABLE ONLY public.staff_provider_accounts
    ADD CONSTRAINT staff_provider_account_of_a_member FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);

ALTER TABLE ONLY public.staff_recovery_codes
    ADD CONSTRAINT staff_recovery_code_of_a_member FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);

ALTER TABLE ONLY public.staff_second_factors
    ADD CONSTRAINT staff_second_factor_of_a_member FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);

ALTER TABLE ONLY public.staff_sessions
    ADD CONSTRAINT staff_sessions_staff FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);

ALTER TABLE ONLY public.pre_generated_tickets
    ADD CONSTRAINT tickets_batch FOREIGN KEY (partner_id, batch_id) REFERENCES public.batches(partner_id, batch_id);

ALTER TABLE ONLY public.pre_generated_tickets
    ADD CONSTRAINT tickets_order FOREIGN KEY (partner_id, order_id) REFERENCES public.ota_orders(partner_id, order_id);

ALTER TABLE ONLY public.pre_generated_tickets
    ADD CONSTRAINT tickets_product FOREIGN KEY (product_id) REFERENCES public.products(product_id);

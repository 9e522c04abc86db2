-- Figures for metrics, alerts and the console's overview.

-- Tickets

-- Exact counts of unused and activated tickets, without a row that every sale would lock: each statement that changes tickets
-- appends its differences, and a background job adds them to the totals.
CREATE TABLE ticket_deltas (
    delta_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ticket_deltas_pkey PRIMARY KEY,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    -- The last day of sale, 'infinity' if there is none.
    last_day date NOT NULL,
    -- The five minutes in which the tickets were activated.
    span timestamptz,
    unused_change integer NOT NULL,
    activated integer NOT NULL,
    -- Currency and sum of the prices of the activated tickets; NULL and 0 if none was.
    currency text,
    amount numeric NOT NULL DEFAULT 0
);

CREATE TABLE ticket_totals (
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    last_day date NOT NULL,
    unused bigint NOT NULL,
    CONSTRAINT ticket_totals_pkey PRIMARY KEY (partner_id, product_id, last_day)
);

CREATE TABLE activation_spans (
    span timestamptz NOT NULL,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    activated bigint NOT NULL,
    CONSTRAINT activation_spans_pkey PRIMARY KEY (span, partner_id, product_id)
);

-- The tickets activated on a day of the operator's time zone, whatever happened to them later, and the sum of their prices.
CREATE TABLE sales_days (
    day date NOT NULL,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    currency text NOT NULL,
    tickets bigint NOT NULL,
    amount numeric NOT NULL,
    CONSTRAINT sales_days_pkey PRIMARY KEY (day, partner_id, product_id, currency)
);

CREATE FUNCTION activation_span(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT date_bin('5 minutes', moment, '2000-01-01 00:00:00+00') $$;

CREATE FUNCTION count_generated_tickets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ticket_deltas (partner_id, product_id, last_day, unused_change, activated)
    SELECT partner_id, product_id, coalesce(valid_until, 'infinity'), count(*), 0
    FROM new_tickets GROUP BY partner_id, product_id, valid_until;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_changed_tickets() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER generated_tickets_are_counted AFTER INSERT ON pre_generated_tickets
    REFERENCING NEW TABLE AS new_tickets
    FOR EACH STATEMENT EXECUTE FUNCTION count_generated_tickets();

CREATE TRIGGER changed_tickets_are_counted AFTER UPDATE ON pre_generated_tickets
    REFERENCING OLD TABLE AS old_tickets NEW TABLE AS new_tickets
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_tickets();

-- Refusals

CREATE TABLE refusal_days (
    day date NOT NULL,
    -- NULL: the API key is unknown or the operator's.
    partner_id bigint,
    code text NOT NULL,
    refused bigint NOT NULL,
    CONSTRAINT refusal_day_once UNIQUE NULLS NOT DISTINCT (day, partner_id, code)
);

-- Without a primary key, a publication FOR ALL TABLES would refuse changes of rows.
ALTER TABLE refusal_days REPLICA IDENTITY FULL;

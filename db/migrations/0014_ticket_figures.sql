-- How many tickets are unused, until when, and how many were activated when: exact, without a row that
-- everybody updates. Each statement that changes tickets appends its differences; a background fold adds them up.

CREATE TABLE ticket_deltas (
    delta_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ticket_deltas_pkey PRIMARY KEY,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    -- The last day of sale, 'infinity' where there is none.
    last_day date NOT NULL,
    -- The span of five minutes in which the tickets were activated.
    activated_span timestamptz,
    unused_change integer NOT NULL,
    activated integer NOT NULL
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
        partner_id, product_id, last_day, activated_span, unused_change, activated
    )
    SELECT partner_id, product_id, last_day, activation_span(max(activated_at)), sum(unused), sum(activated)
    FROM (
        SELECT partner_id, product_id, coalesce(valid_until, 'infinity') AS last_day, activated_at,
               (status = 'PRE_GENERATED')::integer AS unused, (activated_at IS NOT NULL)::integer AS activated
        FROM new_tickets
        UNION ALL
        SELECT partner_id, product_id, coalesce(valid_until, 'infinity'), NULL,
               -(status = 'PRE_GENERATED')::integer, -(activated_at IS NOT NULL)::integer
        FROM old_tickets
    ) AS changes
    GROUP BY partner_id, product_id, last_day
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

INSERT INTO ticket_totals (partner_id, product_id, last_day, unused)
SELECT partner_id, product_id, coalesce(valid_until, 'infinity'), count(*)
FROM pre_generated_tickets WHERE status = 'PRE_GENERATED' GROUP BY 1, 2, 3;

INSERT INTO activation_spans (span, partner_id, product_id, activated)
SELECT activation_span(activated_at), partner_id, product_id, count(*)
FROM pre_generated_tickets WHERE activated_at > now() - interval '8 days' GROUP BY 1, 2, 3;

-- The rate at which an allotment is used is read from the batches of the last days.
CREATE INDEX batches_by_time ON batches (created_at);

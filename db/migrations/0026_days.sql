-- What was sold and refused on each day, for longer than spans of five minutes are kept: days end at midnight of the
-- operator's time zone, which whoever migrates tells in the setting premade.timezone.

CREATE TABLE sales_days (
    day date NOT NULL,
    partner_id bigint NOT NULL,
    product_id bigint NOT NULL,
    currency text NOT NULL,
    -- Activated on that day, whatever became of them later, and their prices together.
    tickets bigint NOT NULL,
    amount numeric(20, 2) NOT NULL,
    CONSTRAINT sales_days_pkey PRIMARY KEY (day, partner_id, product_id, currency)
);

CREATE TABLE refusal_days (
    day date NOT NULL,
    -- NULL: nobody knows, as with a key that is none, or the operator's own key asked.
    partner_id bigint,
    code text NOT NULL,
    refused bigint NOT NULL,
    CONSTRAINT refusal_day_once UNIQUE NULLS NOT DISTINCT (day, partner_id, code)
);

-- From here to the end nobody sells, so that each sale is either found below or in a difference with a currency.
LOCK TABLE pre_generated_tickets IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE ticket_deltas
    -- Of what was activated; NULL where nothing was, and where this migration has counted it into its day.
    ADD COLUMN currency text,
    ADD COLUMN amount numeric(20, 2) NOT NULL DEFAULT 0;
-- As activation_spans calls it. A process of the version before cannot fold any more, and it must not: it would lose the days.
ALTER TABLE ticket_deltas RENAME COLUMN activated_span TO span;

CREATE OR REPLACE FUNCTION count_changed_tickets() RETURNS trigger LANGUAGE plpgsql AS $$
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

INSERT INTO sales_days (day, partner_id, product_id, currency, tickets, amount)
SELECT (activated_at AT TIME ZONE coalesce(nullif(current_setting('premade.timezone', true), ''), 'UTC'))::date,
       partner_id, product_id, currency, count(*), sum(price)
FROM pre_generated_tickets
WHERE activated_at > now() - interval '800 days'
GROUP BY 1, 2, 3, 4;

-- Amounts have at most the decimals of their currency: none in JPY, two in HKD, three in KWD.

-- Whether an amount has at most the decimals that ISO 4217 gives its currency. False for codes without a minor unit,
-- such as XXX, and for NaN and infinity. A test holds the list against the one of the service.
-- In PL/pgSQL, since a function in SQL, or the list itself in each constraint, is parsed again by each statement.
CREATE FUNCTION fits_currency(amount numeric, currency text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
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

-- A trigger that reads a column keeps its type as it is.
DROP TRIGGER ticket_keeps_its_identity ON pre_generated_tickets;

-- Without a fixed number of decimals an amount keeps those that it is written with: 288 JPY, 288.00 HKD, 1.234 KWD.
-- No row is written anew.
ALTER TABLE products ALTER COLUMN price TYPE numeric;
ALTER TABLE batches ALTER COLUMN price TYPE numeric;
ALTER TABLE pre_generated_tickets ALTER COLUMN price TYPE numeric;
ALTER TABLE ota_orders ALTER COLUMN total_amount TYPE numeric;
ALTER TABLE ticket_deltas ALTER COLUMN amount TYPE numeric;
ALTER TABLE sales_days ALTER COLUMN amount TYPE numeric;

CREATE TRIGGER ticket_keeps_its_identity BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        OLD.ticket_code <> NEW.ticket_code OR OLD.partner_id <> NEW.partner_id
        OR OLD.product_id <> NEW.product_id OR OLD.batch_id <> NEW.batch_id
        OR OLD.price <> NEW.price OR OLD.currency <> NEW.currency OR OLD.created_at <> NEW.created_at
        OR (OLD.order_id IS NOT NULL AND OLD.order_id IS DISTINCT FROM NEW.order_id)
        OR (OLD.activated_at IS NOT NULL AND OLD.activated_at IS DISTINCT FROM NEW.activated_at)
        OR NEW.issue_number < OLD.issue_number
    )
    EXECUTE FUNCTION refuse_ticket_change('a change of identity');

ALTER TABLE products
    ADD CONSTRAINT product_price_within_limit CHECK (price <= 9999999999.99),
    ADD CONSTRAINT product_price_fits_its_currency CHECK (fits_currency(price, currency));
ALTER TABLE batches
    ADD CONSTRAINT batch_price_fits_its_currency CHECK (fits_currency(price, currency));
ALTER TABLE ota_orders
    ADD CONSTRAINT order_amount_fits_its_currency CHECK (fits_currency(total_amount, currency));

-- A ticket keeps its price, so it is checked only when tickets are made, once for all of a statement with the same price.
-- A constraint would also be checked by each activation and each use.
CREATE FUNCTION refuse_ticket_price() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER ticket_price_fits_its_currency AFTER INSERT ON pre_generated_tickets
    REFERENCING NEW TABLE AS new_tickets
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_ticket_price();

-- A large batch is made in many transactions. The first takes its stock.

ALTER TABLE batches
    -- How many of 'quantity' have their stock and are still to be made, and how many never will be: theirs went back.
    ADD COLUMN to_make integer NOT NULL DEFAULT 0,
    ADD COLUMN unmade integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT batch_made_within_quantity CHECK (to_make >= 0 AND unmade >= 0 AND to_make + unmade <= quantity),
    ADD CONSTRAINT batch_being_made_or_stopped CHECK (to_make = 0 OR unmade = 0);

CREATE FUNCTION refuse_batch_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a batch is made once: that change of batch % is refused', OLD.batch_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'batch_is_made_once', TABLE = TG_TABLE_NAME;
END
$$;

-- What is made stays made, and what was given back is not made any more.
CREATE TRIGGER batch_is_made_once BEFORE UPDATE ON batches
    FOR EACH ROW WHEN (
        NEW.to_make > OLD.to_make OR NEW.unmade < OLD.unmade OR NEW.to_make + NEW.unmade > OLD.to_make + OLD.unmade
    )
    EXECUTE FUNCTION refuse_batch_change();

-- Expand: a new column, which the last release does not know, and a rule for new rows.
ALTER TABLE pre_generated_tickets ADD COLUMN note text;
ALTER TABLE pre_generated_tickets ADD CONSTRAINT note_short CHECK (length(note) <= 200) NOT VALID;

-- Contract: 0.1.0 never used the column.
-- squawk-ignore ban-drop-column
ALTER TABLE pre_generated_tickets DROP COLUMN note;

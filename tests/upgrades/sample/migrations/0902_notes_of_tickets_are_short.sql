-- Reads all rows, while others write.
ALTER TABLE pre_generated_tickets VALIDATE CONSTRAINT note_short;

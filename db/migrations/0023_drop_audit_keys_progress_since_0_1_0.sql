-- Only the file before used it. No version reads it.
-- squawk-ignore ban-drop-table
DROP TABLE audit_keys_progress;

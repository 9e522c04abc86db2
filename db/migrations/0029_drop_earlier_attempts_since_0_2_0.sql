-- Since 0.2.0, 'attempts' (migration 0018) has these counts, and no version reads or writes the two tables.
-- squawk-ignore ban-drop-table
DROP TABLE sign_in_tries;
-- Since 0.2.0, as above.
-- squawk-ignore ban-drop-table
DROP TABLE manual_entries;

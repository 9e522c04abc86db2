-- Tickets of test partners are signed with keys of their own, T1, T2, …

ALTER TABLE signing_keys DROP CONSTRAINT signing_key_id_form;
ALTER TABLE signing_keys ADD CONSTRAINT signing_key_id_form CHECK (key_id ~ '^[KT][0-9]{1,3}$');

-- What a key is for, in the operator's words, and the networks from which it works: all if there are none.
ALTER TABLE api_keys
    ADD COLUMN label text NOT NULL DEFAULT '',
    ADD COLUMN networks text[] NOT NULL DEFAULT '{}';

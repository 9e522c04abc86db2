-- A form of the console makes one key, however often it is sent: the key is shown once. Says nothing about the key.
ALTER TABLE api_keys ADD COLUMN made_once text CONSTRAINT api_key_made_once UNIQUE;

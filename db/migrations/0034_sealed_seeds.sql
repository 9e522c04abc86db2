-- The seeds of new signing keys, encrypted with a master key that is not in the database (ADR 54). 'premade signing-key seal' encrypts
-- the earlier ones, when no process of 0.2.0 signs any more.
ALTER TABLE signing_keys ADD COLUMN sealed_seed bytea;
-- 0.2.0 reads a NULL only where a new installation, or this command, has sealed a seed.
-- squawk-ignore ban-drop-not-null
ALTER TABLE signing_keys ALTER COLUMN seed DROP NOT NULL;
ALTER TABLE signing_keys ADD CONSTRAINT signing_key_has_one_seed CHECK (num_nonnulls(seed, sealed_seed) = 1) NOT VALID;

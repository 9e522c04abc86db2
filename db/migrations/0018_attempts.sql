-- Attempts: guesses of a password at sign-in, and of a ticket's digits at the gate, counted on one subject within a window of
-- time. They replace sign_in_tries and manual_entries, which version 0.1.0 still reads and writes. Since this version nothing
-- else uses them, and the next version drops both (ADR 33, rule 1).
CREATE TABLE attempts (
    -- The SHA-256 of the kind and the text, so that no name and no address is stored.
    subject bytea CONSTRAINT attempts_pkey PRIMARY KEY
        CONSTRAINT attempts_subject_is_sha256 CHECK (octet_length(subject) = 32),
    -- When the window ends, and the count with it.
    ends_at timestamptz NOT NULL,
    count integer NOT NULL CONSTRAINT attempts_count_not_negative CHECK (count >= 0)
);

-- Finds the ended ones, which are deleted.
CREATE INDEX attempts_by_end ON attempts (ends_at);

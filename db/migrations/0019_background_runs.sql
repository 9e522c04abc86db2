-- When each background job last ended without an error, so that `premade doctor` can say which one stopped. The rows are few,
-- and each is written about once a minute, whatever the number of processes.
CREATE TABLE background_runs (
    job text CONSTRAINT background_runs_pkey PRIMARY KEY,
    -- By the database's clock alone: only its age counts.
    ended_at timestamptz NOT NULL,
    -- The pause that followed.
    pause_seconds double precision NOT NULL
);

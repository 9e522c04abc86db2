-- Those whose span is long over are forgotten, the oldest first.
CREATE INDEX manual_entries_by_time ON manual_entries (span_began_at);

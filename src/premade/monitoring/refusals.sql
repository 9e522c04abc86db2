-- name: add_refusals
-- Insert in key order: two processes cannot deadlock.
INSERT INTO refusal_days (day, partner_id, code, refused)
SELECT :day::date, r.partner_id, r.code, r.refused
FROM jsonb_to_recordset(:refusals::jsonb) AS r (partner_id bigint, code text, refused bigint)
ORDER BY r.partner_id, r.code
ON CONFLICT (day, partner_id, code) DO UPDATE SET refused = refusal_days.refused + excluded.refused

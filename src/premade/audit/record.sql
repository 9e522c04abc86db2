-- name: record
INSERT INTO audit_events (partner_id, event, actor, data, occurred_at)
VALUES (coalesce(:partner_id, operator_partner()), :event, :actor, :data::jsonb, both_clocks(:occurred_at))

-- name: stop_generation
-- Change the batch first: a process that waits for its row then finds nothing to generate. Write the allotment last.
WITH stopped AS (
    UPDATE batches SET unmade = to_make, to_make = 0
    WHERE partner_id = :partner_id AND batch_id = :batch_id AND to_make > 0
    RETURNING partner_id, batch_id, product_id, channel, quantity, unmade
),
event AS (
    INSERT INTO audit_events (partner_id, event, actor, request_id, batch_id, data, occurred_at)
    SELECT partner_id, :event, :actor, :request_id, batch_id,
           jsonb_build_object(
               'product_id', product_id, 'made', quantity - unmade, 'unmade', unmade, 'reason', :reason::text
           ),
           both_clocks(:now)
    FROM stopped
),
returned AS (
    UPDATE allotments a SET issued = a.issued - s.unmade
    FROM stopped s WHERE a.product_id = s.product_id AND a.channel = s.channel
)
SELECT unmade FROM stopped

-- What several statements read alike. Each function is one SELECT, which the planner puts in the place of the call, so that
-- the indexes serve as if the statement had the text itself. A view would take no clock, and a view that groups all tickets
-- by batch would not be limited to the batches of a join.

-- The stock of each allotment when the clock of the service says `own`. A stale reservation has expired, and no writer has
-- released its stock yet: it is not in `held`, but in `stale` and in `available`.
CREATE FUNCTION stock_at(own timestamptz) RETURNS TABLE (
    product_id bigint, channel text, allotted integer, issued integer, held integer, stale integer, available integer
) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.product_id, a.channel, a.allotted, a.issued, a.held - expired.held, expired.held,
           a.allotted - a.issued - a.held + expired.held
    FROM allotments a
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.quantity - r.taken), 0)::integer AS held
        FROM reservations r
        -- As the index reservations_not_ended has it.
        WHERE r.product_id = a.product_id AND r.channel = a.channel AND r.ended_at IS NULL AND r.expires_at <= both_clocks(own)
    ) AS expired
$$;

-- The tickets of a batch by state. If `is_counted` is false, none is read, and each number is 0.
CREATE FUNCTION tickets_by_state(of_partner_id bigint, of_batch_id text, is_counted boolean) RETURNS TABLE (
    pre_generated bigint, active bigint, used bigint, expired bigint, cancelled bigint
) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT count(*) FILTER (WHERE t.status = 'PRE_GENERATED'),
           count(*) FILTER (WHERE t.status = 'ACTIVE'),
           count(*) FILTER (WHERE t.status = 'USED'),
           count(*) FILTER (WHERE t.status = 'EXPIRED'),
           count(*) FILTER (WHERE t.status = 'CANCELLED')
    FROM pre_generated_tickets t
    WHERE t.partner_id = of_partner_id AND t.batch_id = of_batch_id AND is_counted
$$;

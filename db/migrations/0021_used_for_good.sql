-- That a ticket was used decides whether it may be taken back, so it is never forgotten; and it is USED exactly from
-- the use that leaves nothing. 'first_used_at' may become earlier: a device that was away tells of its use later.

DROP TRIGGER ticket_is_used_while_active ON pre_generated_tickets;
CREATE TRIGGER ticket_is_used_while_active BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        (OLD.first_used_at IS NOT NULL AND NEW.first_used_at IS NULL)
        OR (
            OLD.entitlements <> NEW.entitlements
            AND (
                OLD.status <> 'ACTIVE' OR NEW.status NOT IN ('ACTIVE', 'USED') OR NEW.first_used_at IS NULL
                OR jsonb_path_exists(NEW.entitlements, '$[*] ? (@.remaining_uses < 0)')
                OR (NEW.status = 'USED') = jsonb_path_exists(NEW.entitlements, '$[*] ? (@.remaining_uses > 0)')
            )
        )
    )
    EXECUTE FUNCTION refuse_ticket_change('that use');

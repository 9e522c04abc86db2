-- A ticket becomes USED by the use that leaves nothing, and by nothing else.

DROP TRIGGER ticket_changes_state_as_allowed ON pre_generated_tickets;
CREATE TRIGGER ticket_changes_state_as_allowed BEFORE UPDATE ON pre_generated_tickets
    FOR EACH ROW WHEN (
        OLD.status <> NEW.status
        AND (
            (OLD.status, NEW.status) NOT IN (
                ('PRE_GENERATED', 'ACTIVE'), ('ACTIVE', 'USED'), ('PRE_GENERATED', 'EXPIRED'),
                ('PRE_GENERATED', 'CANCELLED'), ('ACTIVE', 'CANCELLED')
            )
            OR (NEW.status = 'CANCELLED' AND OLD.first_used_at IS NOT NULL)
            OR (NEW.status = 'USED' AND OLD.entitlements = NEW.entitlements)
        )
    )
    EXECUTE FUNCTION refuse_ticket_change('that change of state');

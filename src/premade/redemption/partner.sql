-- name: partner_of_ticket
SELECT partner_id FROM pre_generated_tickets WHERE ticket_code = :ticket_code

-- name: partners_of_tickets
SELECT ticket_code, partner_id FROM pre_generated_tickets WHERE ticket_code = ANY (:ticket_codes)

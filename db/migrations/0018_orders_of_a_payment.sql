-- The orders of one payment reference, newest first and of one partner: a reference may repeat as often as a partner
-- likes, and another's orders of the same one are not read past. Of expressions, so that no plan of a young table
-- mistakes it for the index of order ids. No column of it ever changes.
DROP INDEX ota_orders_by_payment;
CREATE INDEX ota_orders_by_payment ON ota_orders (payment_reference, (partner_id + 0), (order_id || ''));

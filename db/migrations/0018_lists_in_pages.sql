-- What a partner lists, newest first. Of expressions, so that no plan of a young table mistakes these indexes for those
-- of ids. No column in them ever changes.

-- A payment reference may repeat as often as a partner likes, and another's orders of the same one are not read past.
DROP INDEX ota_orders_by_payment;
CREATE INDEX ota_orders_by_payment ON ota_orders (payment_reference, (partner_id + 0), (order_id || ''));

DROP INDEX batches_by_partner;
CREATE INDEX batches_by_partner ON batches ((partner_id + 0), created_at, batch_id);

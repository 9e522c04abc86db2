-- An order of a hundred tickets costs up to a hundred times the highest price of one.
ALTER TABLE ota_orders ALTER COLUMN total_amount TYPE numeric(14, 2);

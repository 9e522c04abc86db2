-- Payment references are kept trimmed and composed (NFC) now, and looked for as they are kept. Those of before had no other
-- blank than a plain space. Orders are read once; only those with such a reference are written.

UPDATE ota_orders SET payment_reference = btrim(normalize(payment_reference, NFC))
WHERE payment_reference <> btrim(normalize(payment_reference, NFC)) AND btrim(payment_reference) <> '';

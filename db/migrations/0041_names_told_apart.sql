-- Partners' names that people would mistake for each other are refused: name_key is the name without what makes no
-- difference to a reader (case, blanks, width, composition), as the service computes it. Names that clash already stay as they
-- are. Of these the oldest has the plain key; the others' keys end with a blank and the partner's number, which no key of
-- the service has. 'premade partner set NAME --name NEW' renames them.

ALTER TABLE partners ADD COLUMN name_key text;
UPDATE partners SET name_key = lower(regexp_replace(normalize(name, NFKC), '\s', '', 'g'));
UPDATE partners p SET name_key = name_key || ' ' || partner_id
WHERE EXISTS (SELECT FROM partners o WHERE o.name_key = p.name_key AND o.partner_id < p.partner_id);
ALTER TABLE partners ALTER COLUMN name_key SET NOT NULL;
CREATE UNIQUE INDEX partners_name_key_taken ON partners (name_key);

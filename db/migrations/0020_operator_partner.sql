-- The partner of events that concern no single partner. NULL, unless ops/citus/distribute.sql has spread the tables by
-- partner: then 0, because each row of a spread table belongs to a partner.
CREATE FUNCTION operator_partner() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::bigint;

-- name: database_now
SELECT clock_timestamp() AS database_now;

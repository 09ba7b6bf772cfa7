{% import 'replay_last.sql' as replay %}
-- Which changes are sent once more: found once, read by windows.
CREATE TABLE {{ chosen | table }}
CLUSTER BY change_number
OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))
AS
SELECT change_number
FROM (
{{ replay.last_events(change_log, key, customer) }}
) AS last

{% import 'replay_last.sql' as replay %}
-- What a replay of the current state would send.
SELECT COUNT(*) AS events, COUNTIF(is_removal) AS tombstones
FROM (
{{ replay.last_events(change_log, key, customer) }}
) AS last

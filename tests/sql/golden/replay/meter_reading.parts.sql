-- How many of them there are, by even parts of the change log.
SELECT DIV(change_number, 50) AS part, COUNT(*) AS changes
FROM `project.staging.replay_meter_reading__0`
GROUP BY part
ORDER BY part

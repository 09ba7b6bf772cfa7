-- What of one window of the change log is sent once more, in the order of its numbers.
SELECT l.`change_number`, l.`changed_at`, l.`operation`, l.`meter_reading_key`, l.`meter_key`, l.`register`, l.`read_at`, l.`reading`, l.`taken_by`
FROM `project.change_log.meter_reading` AS l
JOIN `project.staging.replay_meter_reading__0` AS c ON c.change_number = l.change_number
WHERE l.change_number > @low AND l.change_number <= @high AND c.change_number > @low AND c.change_number <= @high
ORDER BY l.change_number

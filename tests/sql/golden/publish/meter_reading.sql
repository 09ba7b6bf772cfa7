-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT `change_number`, `changed_at`, `operation`, `meter_reading_key`, `meter_key`, `register`, `read_at`, `reading`, `taken_by`
FROM `project.change_log.meter_reading`
WHERE change_number > @low AND change_number <= @high AND is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`meter_reading_key`, 1, 2)) AS INT64), 64))]
ORDER BY change_number

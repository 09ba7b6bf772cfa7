-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT `change_number`, `changed_at`, `operation`, `meter_key`, `supply_point_key`, `serial_number`, `meter_type`, `register_count`, `installed_on`, `removed_on`
FROM `project.change_log.meter`
WHERE change_number > @low AND change_number <= @high AND is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`meter_key`, 1, 2)) AS INT64), 64))]
ORDER BY change_number

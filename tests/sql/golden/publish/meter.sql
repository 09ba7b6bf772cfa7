-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `meter_key`, `supply_point_key`, `serial_number`, `meter_type`, `register_count`, `installed_on`, `removed_on`
FROM `project.change_log.meter`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `meter_reading_key`, `meter_key`, `register`, `read_at`, `reading`, `taken_by`
FROM `project.change_log.meter_reading`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

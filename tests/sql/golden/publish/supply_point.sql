-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `supply_point_key`, `account_key`, `fuel`, `supply_number`, `region`, `profile_class`, `postcode`, `is_deenergised`, `supplied_since_at`
FROM `project.change_log.supply_point`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT `change_number`, `changed_at`, `operation`, `supply_point_key`, `account_key`, `fuel`, `supply_number`, `region`, `profile_class`, `postcode`, `is_deenergised`, `supplied_since_at`
FROM `project.change_log.supply_point`
WHERE change_number > @low AND change_number <= @high AND is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`supply_point_key`, 1, 2)) AS INT64), 64))]
ORDER BY change_number

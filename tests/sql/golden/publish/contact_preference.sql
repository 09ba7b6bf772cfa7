-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT `change_number`, `changed_at`, `operation`, `contact_preference_key`, `customer_key`, `channel`, `purpose`, `is_allowed`, `decided_at`, `told_by`
FROM `project.change_log.contact_preference`
WHERE change_number > @low AND change_number <= @high AND is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`contact_preference_key`, 1, 2)) AS INT64), 64))]
ORDER BY change_number

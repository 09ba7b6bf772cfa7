-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `contact_preference_key`, `customer_key`, `channel`, `purpose`, `is_allowed`, `decided_at`, `told_by`
FROM `project.change_log.contact_preference`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `customer_key`, `given_name`, `family_name`, `email`, `registered_at`
FROM `project.change_log.customer`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

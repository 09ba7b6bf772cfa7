-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT `change_number`, `changed_at`, `operation`, `customer_key`, `given_name`, `family_name`, `email`, `registered_at`
FROM `project.change_log.customer`
WHERE change_number > @low AND change_number <= @high AND is_event
ORDER BY change_number

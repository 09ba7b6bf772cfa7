-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `contact_key`, `customer_key`, `kind`, `full_name`, `phone`, `email`, `authorised_at`
FROM `project.change_log.contact`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `interaction_key`, `customer_key`, `case_number`, `subject`, `status`, `opened_at`, `closed_at`
FROM `project.change_log.interaction`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

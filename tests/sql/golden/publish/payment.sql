-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `payment_key`, `account_key`, `amount_gbp`, `paid_at`, `method`
FROM `project.change_log.payment`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

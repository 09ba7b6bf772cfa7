-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `account_key`, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`
FROM `project.change_log.account`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

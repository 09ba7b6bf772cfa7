-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT `change_number`, `changed_at`, `operation`, `account_key`, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`
FROM `project.change_log.account`
WHERE change_number > @low AND change_number <= @high AND is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`account_key`, 1, 2)) AS INT64), 64))]
ORDER BY change_number

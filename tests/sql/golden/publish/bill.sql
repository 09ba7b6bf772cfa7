-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT `change_number`, `changed_at`, `operation`, `bill_key`, `account_key`, `bill_number`, `period_starts_on`, `period_ends_on`, `net_gbp`, `vat_gbp`, `kind`, `issued_on`, `due_on`
FROM `project.change_log.bill`
WHERE change_number > @low AND change_number <= @high AND is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`bill_key`, 1, 2)) AS INT64), 64))]
ORDER BY change_number

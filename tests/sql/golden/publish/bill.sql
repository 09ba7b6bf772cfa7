-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `bill_key`, `account_key`, `bill_number`, `period_starts_on`, `period_ends_on`, `net_gbp`, `vat_gbp`, `kind`, `issued_on`, `due_on`
FROM `project.change_log.bill`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

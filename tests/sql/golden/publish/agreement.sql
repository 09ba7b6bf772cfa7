-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT `change_number`, `changed_at`, `operation`, `agreement_key`, `account_key`, `supply_point_key`, `tariff_code`, `payment_method`, `monthly_amount_gbp`, `signed_at`, `starts_on`, `ends_on`
FROM `project.change_log.agreement`
WHERE change_number > @low AND change_number <= @high AND is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`agreement_key`, 1, 2)) AS INT64), 64))]
ORDER BY change_number

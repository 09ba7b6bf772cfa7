-- The changes of one window, in the order of their numbers.
SELECT `change_number`, `changed_at`, `operation`, `is_event`, `agreement_key`, `account_key`, `supply_point_key`, `tariff_code`, `payment_method`, `monthly_amount_gbp`, `signed_at`, `starts_on`, `ends_on`
FROM `project.change_log.agreement`
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

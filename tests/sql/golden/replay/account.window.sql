-- What of one window of the change log is sent once more, in the order of its numbers.
SELECT l.`change_number`, l.`changed_at`, l.`operation`, l.`account_key`, l.`customer_key`, l.`account_number`, l.`balance_gbp`, l.`opened_on`, l.`closed_on`, l.`address`, l.`postcode`
FROM `project.change_log.account` AS l
JOIN `project.staging.replay_account__0` AS c ON c.change_number = l.change_number
WHERE l.change_number > @low AND l.change_number <= @high AND c.change_number > @low AND c.change_number <= @high
ORDER BY l.change_number

-- What of one window of the change log is sent once more, in the order of its numbers.
SELECT l.`change_number`, l.`changed_at`, l.`operation`, l.`customer_key`, l.`given_name`, l.`family_name`, l.`email`, l.`registered_at`
FROM `project.change_log.customer` AS l
JOIN `project.staging.replay_customer__0` AS c ON c.change_number = l.change_number
WHERE l.change_number > @low AND l.change_number <= @high AND c.change_number > @low AND c.change_number <= @high
ORDER BY l.change_number

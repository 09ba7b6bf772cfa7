-- When the change log gave some of its numbers.
SELECT change_number, changed_at
FROM `project.change_log.contact_preference`
WHERE change_number IN (@n0, @n1)

-- Every change of customer that has to do with a customer, oldest first: which columns, never their values.
SELECT
  change_number,
  changed_at,
  operation,
  is_event,
  key,
  source_system,
  ARRAY_TO_STRING([
    IF(operation = 'update' AND `given_name` IS DISTINCT FROM `was_given_name`, 'given_name', NULL),
    IF(operation = 'update' AND `family_name` IS DISTINCT FROM `was_family_name`, 'family_name', NULL),
    IF(operation = 'update' AND `email` IS DISTINCT FROM `was_email`, 'email', NULL),
    IF(operation = 'update' AND `birth_date` IS DISTINCT FROM `was_birth_date`, 'birth_date', NULL),
    IF(operation = 'update' AND `registered_at` IS DISTINCT FROM `was_registered_at`, 'registered_at', NULL)
  ], ', ') AS columns
FROM (
  SELECT
    *,
    `customer_key` AS key,
    LAG(`given_name`) OVER (PARTITION BY `customer_key` ORDER BY change_number) AS `was_given_name`,
    LAG(`family_name`) OVER (PARTITION BY `customer_key` ORDER BY change_number) AS `was_family_name`,
    LAG(`email`) OVER (PARTITION BY `customer_key` ORDER BY change_number) AS `was_email`,
    LAG(`birth_date`) OVER (PARTITION BY `customer_key` ORDER BY change_number) AS `was_birth_date`,
    LAG(`registered_at`) OVER (PARTITION BY `customer_key` ORDER BY change_number) AS `was_registered_at`
  FROM `project.change_log.customer`
  WHERE `customer_key` = @key
)
ORDER BY change_number

-- Every change of account that has to do with a customer, oldest first: which columns, never their values.
SELECT
  change_number,
  changed_at,
  operation,
  is_event,
  key,
  source_system,
  ARRAY_TO_STRING([
    IF(operation = 'update' AND `customer_key` IS DISTINCT FROM `was_customer_key`, 'customer_key', NULL),
    IF(operation = 'update' AND `account_number` IS DISTINCT FROM `was_account_number`, 'account_number', NULL),
    IF(operation = 'update' AND `balance_gbp` IS DISTINCT FROM `was_balance_gbp`, 'balance_gbp', NULL),
    IF(operation = 'update' AND `opened_on` IS DISTINCT FROM `was_opened_on`, 'opened_on', NULL),
    IF(operation = 'update' AND `closed_on` IS DISTINCT FROM `was_closed_on`, 'closed_on', NULL),
    IF(operation = 'update' AND `address` IS DISTINCT FROM `was_address`, 'address', NULL),
    IF(operation = 'update' AND `postcode` IS DISTINCT FROM `was_postcode`, 'postcode', NULL)
  ], ', ') AS columns
FROM (
  SELECT
    *,
    `account_key` AS key,
    LAG(`customer_key`) OVER (PARTITION BY `account_key` ORDER BY change_number) AS `was_customer_key`,
    LAG(`account_number`) OVER (PARTITION BY `account_key` ORDER BY change_number) AS `was_account_number`,
    LAG(`balance_gbp`) OVER (PARTITION BY `account_key` ORDER BY change_number) AS `was_balance_gbp`,
    LAG(`opened_on`) OVER (PARTITION BY `account_key` ORDER BY change_number) AS `was_opened_on`,
    LAG(`closed_on`) OVER (PARTITION BY `account_key` ORDER BY change_number) AS `was_closed_on`,
    LAG(`address`) OVER (PARTITION BY `account_key` ORDER BY change_number) AS `was_address`,
    LAG(`postcode`) OVER (PARTITION BY `account_key` ORDER BY change_number) AS `was_postcode`
  FROM `project.change_log.account`
  WHERE `account_key` IN (SELECT `account_key` FROM `project.change_log.account` WHERE customer_key = @key)
)
ORDER BY change_number

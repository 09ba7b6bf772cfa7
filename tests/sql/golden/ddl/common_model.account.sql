-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.account` (
  `account_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `customer_key` STRING,
  `account_number` STRING,
  `balance_gbp` NUMERIC,
  `opened_on` DATE,
  `closed_on` DATE,
  `address` STRING,
  `postcode` STRING
)
CLUSTER BY `account_key`

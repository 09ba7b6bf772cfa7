-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.account` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `account_key` STRING NOT NULL,
  source_system STRING,
  `customer_key` STRING,
  `account_number` STRING,
  `balance_gbp` NUMERIC,
  `opened_on` DATE,
  `closed_on` DATE,
  `address` STRING,
  `postcode` STRING
)
CLUSTER BY change_number

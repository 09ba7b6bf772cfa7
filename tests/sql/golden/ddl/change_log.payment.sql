-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.payment` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `payment_key` STRING NOT NULL,
  source_system STRING,
  `account_key` STRING,
  `amount_gbp` NUMERIC,
  `paid_at` TIMESTAMP,
  `method` STRING
)
CLUSTER BY change_number

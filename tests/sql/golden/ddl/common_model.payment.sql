-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.payment` (
  `payment_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `account_key` STRING,
  `amount_gbp` NUMERIC,
  `paid_at` TIMESTAMP,
  `method` STRING
)
CLUSTER BY `payment_key`

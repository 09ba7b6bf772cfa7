-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.bill` (
  `bill_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `account_key` STRING,
  `bill_number` STRING,
  `period_starts_on` DATE,
  `period_ends_on` DATE,
  `net_gbp` NUMERIC,
  `vat_gbp` NUMERIC,
  `kind` STRING,
  `issued_on` DATE,
  `due_on` DATE
)
CLUSTER BY `bill_key`

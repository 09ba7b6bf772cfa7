-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.bill` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `bill_key` STRING NOT NULL,
  source_system STRING,
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
CLUSTER BY change_number

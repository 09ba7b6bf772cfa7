-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.interaction` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `interaction_key` STRING NOT NULL,
  source_system STRING,
  `customer_key` STRING,
  `case_number` STRING,
  `subject` STRING,
  `status` STRING,
  `opened_at` TIMESTAMP,
  `closed_at` TIMESTAMP
)
CLUSTER BY change_number

-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.customer` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `customer_key` STRING NOT NULL,
  source_system STRING,
  `given_name` STRING,
  `family_name` STRING,
  `email` STRING,
  `birth_date` DATE,
  `registered_at` TIMESTAMP
)
CLUSTER BY change_number

-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.contact_preference` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `contact_preference_key` STRING NOT NULL,
  source_system STRING,
  `customer_key` STRING,
  `channel` STRING,
  `purpose` STRING,
  `is_allowed` BOOL,
  `decided_at` TIMESTAMP,
  `told_by` STRING
)
CLUSTER BY change_number

-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.priority_service` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `priority_service_key` STRING NOT NULL,
  source_system STRING,
  `customer_key` STRING,
  `needs_code` STRING,
  `details` STRING,
  `may_be_shared` BOOL,
  `registered_on` DATE,
  `review_on` DATE
)
CLUSTER BY change_number

-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.priority_service` (
  `priority_service_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `customer_key` STRING,
  `needs_code` STRING,
  `details` STRING,
  `may_be_shared` BOOL,
  `registered_on` DATE,
  `review_on` DATE
)
CLUSTER BY `priority_service_key`

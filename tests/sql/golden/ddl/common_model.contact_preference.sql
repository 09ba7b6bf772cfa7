-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.contact_preference` (
  `contact_preference_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `customer_key` STRING,
  `channel` STRING,
  `purpose` STRING,
  `is_allowed` BOOL,
  `decided_at` TIMESTAMP,
  `told_by` STRING
)
CLUSTER BY `contact_preference_key`

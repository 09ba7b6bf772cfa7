-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.interaction` (
  `interaction_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `customer_key` STRING,
  `case_number` STRING,
  `subject` STRING,
  `status` STRING,
  `opened_at` TIMESTAMP,
  `closed_at` TIMESTAMP
)
CLUSTER BY `interaction_key`

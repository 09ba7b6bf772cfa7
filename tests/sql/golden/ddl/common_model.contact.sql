-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.contact` (
  `contact_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `customer_key` STRING,
  `kind` STRING,
  `full_name` STRING,
  `phone` STRING,
  `email` STRING,
  `authorised_at` TIMESTAMP
)
CLUSTER BY `contact_key`

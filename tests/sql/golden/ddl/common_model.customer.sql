-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.customer` (
  `customer_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `given_name` STRING,
  `family_name` STRING,
  `email` STRING,
  `birth_date` DATE,
  `registered_at` TIMESTAMP
)
CLUSTER BY `customer_key`

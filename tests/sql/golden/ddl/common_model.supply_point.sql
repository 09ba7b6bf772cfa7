-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.supply_point` (
  `supply_point_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `account_key` STRING,
  `fuel` STRING,
  `supply_number` STRING,
  `region` STRING,
  `profile_class` STRING,
  `postcode` STRING,
  `is_deenergised` BOOL,
  `supplied_since_at` TIMESTAMP
)
CLUSTER BY `supply_point_key`

-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.meter` (
  `meter_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `supply_point_key` STRING,
  `serial_number` STRING,
  `meter_type` STRING,
  `register_count` INT64,
  `installed_on` DATE,
  `removed_on` DATE
)
CLUSTER BY `meter_key`

-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.meter_reading` (
  `meter_reading_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `meter_key` STRING,
  `register` STRING,
  `read_at` TIMESTAMP,
  `reading` NUMERIC,
  `taken_by` STRING
)
PARTITION BY TIMESTAMP_TRUNC(`read_at`, MONTH)
CLUSTER BY `meter_reading_key`

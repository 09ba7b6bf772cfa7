-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.meter` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `meter_key` STRING NOT NULL,
  source_system STRING,
  `supply_point_key` STRING,
  `serial_number` STRING,
  `meter_type` STRING,
  `register_count` INT64,
  `installed_on` DATE,
  `removed_on` DATE
)
CLUSTER BY change_number

-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.meter_reading` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `meter_reading_key` STRING NOT NULL,
  source_system STRING,
  `meter_key` STRING,
  `register` STRING,
  `read_at` TIMESTAMP,
  `reading` NUMERIC,
  `taken_by` STRING
)
CLUSTER BY change_number

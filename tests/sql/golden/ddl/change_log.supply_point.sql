-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.supply_point` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `supply_point_key` STRING NOT NULL,
  source_system STRING,
  `account_key` STRING,
  `fuel` STRING,
  `supply_number` STRING,
  `region` STRING,
  `profile_class` STRING,
  `postcode` STRING,
  `is_deenergised` BOOL,
  `supplied_since_at` TIMESTAMP
)
CLUSTER BY change_number

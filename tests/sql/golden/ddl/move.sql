-- Every move of a cohort and every roll-back of one: who asked for it, why, and what it did. Rows are never deleted.
CREATE TABLE IF NOT EXISTS `project.migration.move` (
  move_id STRING NOT NULL,
  kind STRING NOT NULL,
  rolls_back STRING,
  rolled_back_by STRING,
  to_system STRING,
  reason STRING NOT NULL,
  requested_by STRING,
  approved_by STRING,
  decided_at TIMESTAMP NOT NULL,
  customers INT64 NOT NULL,
  cohort_hash STRING NOT NULL,
  changes INT64 NOT NULL,
  events INT64 NOT NULL,
  vanished INT64 NOT NULL,
  run_id STRING NOT NULL,
  attempt STRING NOT NULL
)
CLUSTER BY move_id

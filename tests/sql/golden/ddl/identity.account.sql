-- Which key of ours belongs to a system's record. Rows are never deleted: a key once given stays.
CREATE TABLE IF NOT EXISTS `project.identity.account` (
  system STRING NOT NULL,
  id_space STRING NOT NULL,
  source_key STRING NOT NULL,
  `account_key` STRING NOT NULL
)
CLUSTER BY system, id_space, source_key

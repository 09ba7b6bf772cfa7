-- One row per system's record, in the entity's columns; a reference holds the other record's canonical source key.
CREATE TABLE IF NOT EXISTS `project.conformed.customer` (
  system STRING NOT NULL,
  id_space STRING NOT NULL,
  source_key STRING NOT NULL,
  batch INT64 NOT NULL,
  is_present BOOL NOT NULL,
  `given_name` STRING,
  `family_name` STRING,
  `email` STRING,
  `birth_date` DATE,
  `registered_at` TIMESTAMP
)
CLUSTER BY system, id_space, source_key

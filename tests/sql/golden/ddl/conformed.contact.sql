-- One row per system's record, in the entity's columns; a reference holds the other record's canonical source key.
-- same_as: the record of another system that it is a copy of; taken_over_at: since when its system speaks for a customer.
CREATE TABLE IF NOT EXISTS `project.conformed.contact` (
  system STRING NOT NULL,
  id_space STRING NOT NULL,
  source_key STRING NOT NULL,
  batch INT64 NOT NULL,
  is_present BOOL NOT NULL,
  same_as STRING,
  taken_over_at TIMESTAMP,
  `customer_id` STRING,
  `kind` STRING,
  `full_name` STRING,
  `phone` STRING,
  `email` STRING,
  `authorised_at` TIMESTAMP
)
CLUSTER BY system, id_space, source_key

-- One row per system's record, in the entity's columns; a reference holds the other record's canonical source key.
-- same_as: the record of another system that it is a copy of; taken_over_at: since when its system speaks for a customer.
CREATE TABLE IF NOT EXISTS `project.conformed.bill` (
  system STRING NOT NULL,
  id_space STRING NOT NULL,
  source_key STRING NOT NULL,
  batch INT64 NOT NULL,
  is_present BOOL NOT NULL,
  same_as STRING,
  taken_over_at TIMESTAMP,
  `account_id` STRING,
  `bill_number` STRING,
  `period_starts_on` DATE,
  `period_ends_on` DATE,
  `net_gbp` NUMERIC,
  `vat_gbp` NUMERIC,
  `kind` STRING,
  `issued_on` DATE,
  `due_on` DATE
)
CLUSTER BY system, id_space, source_key

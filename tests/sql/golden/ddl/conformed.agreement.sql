-- One row per system's record, in the entity's columns; a reference holds the other record's canonical source key.
-- same_as: the record of another system that it is a copy of; taken_over_at: since when its system speaks for a customer.
CREATE TABLE IF NOT EXISTS `project.conformed.agreement` (
  system STRING NOT NULL,
  id_space STRING NOT NULL,
  source_key STRING NOT NULL,
  batch INT64 NOT NULL,
  is_present BOOL NOT NULL,
  same_as STRING,
  taken_over_at TIMESTAMP,
  `account_id` STRING,
  `supply_point_id` STRING,
  `tariff_code` STRING,
  `payment_method` STRING,
  `monthly_amount_gbp` NUMERIC,
  `signed_at` TIMESTAMP,
  `starts_on` DATE,
  `ends_on` DATE
)
CLUSTER BY system, id_space, source_key

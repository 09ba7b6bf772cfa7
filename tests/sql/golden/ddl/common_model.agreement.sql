-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS `project.common_model.agreement` (
  `agreement_key` STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  `account_key` STRING,
  `supply_point_key` STRING,
  `tariff_code` STRING,
  `payment_method` STRING,
  `monthly_amount_gbp` NUMERIC,
  `signed_at` TIMESTAMP,
  `starts_on` DATE,
  `ends_on` DATE
)
CLUSTER BY `agreement_key`

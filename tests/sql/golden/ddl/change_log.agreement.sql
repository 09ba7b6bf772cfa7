-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS `project.change_log.agreement` (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  `agreement_key` STRING NOT NULL,
  source_system STRING,
  `account_key` STRING,
  `supply_point_key` STRING,
  `tariff_code` STRING,
  `payment_method` STRING,
  `monthly_amount_gbp` NUMERIC,
  `signed_at` TIMESTAMP,
  `starts_on` DATE,
  `ends_on` DATE
)
CLUSTER BY change_number

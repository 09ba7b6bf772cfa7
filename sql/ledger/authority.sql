-- Which system speaks for a customer: the row whose `until` is NULL. Older rows are the history.
CREATE TABLE IF NOT EXISTS {{ tables.authority | table }} (
  customer_key STRING NOT NULL,
  system STRING NOT NULL,
  since TIMESTAMP NOT NULL,
  until TIMESTAMP,
  decided_by STRING NOT NULL,
  move_id STRING
)
CLUSTER BY customer_key

-- Which system speaks for a customer: the row whose `until` is NULL. Older rows are the history.
-- decided_by: precedence, link, unlink, move or roll_back; move_id: of the last two.
CREATE TABLE IF NOT EXISTS `project.migration.authority` (
  customer_key STRING NOT NULL,
  system STRING NOT NULL,
  since TIMESTAMP NOT NULL,
  until TIMESTAMP,
  decided_by STRING NOT NULL,
  move_id STRING
)
CLUSTER BY customer_key

-- The customers of each move: who spoke for them before, and since when. Rows are never deleted.
-- restores: of a roll-back, since when the decision is that holds again.
CREATE TABLE IF NOT EXISTS {{ tables.moved_customer | table }} (
  move_id STRING NOT NULL,
  customer_key STRING NOT NULL,
  from_system STRING NOT NULL,
  to_system STRING NOT NULL,
  since TIMESTAMP NOT NULL,
  restores TIMESTAMP
)
CLUSTER BY move_id, customer_key

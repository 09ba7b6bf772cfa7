-- Rows of a dataset that could not be merged, as they came (JSON, personal columns included), with the rule that they
-- broke. A newer row of their key, or its end, takes them away. A rule 'held: …' is a person's: such a row is kept aside
-- in each merge by the mapping as it was (`mapping_hash`); a row of a landing table is known by its `kafka_offset`.
CREATE TABLE IF NOT EXISTS {{ quarantine | table }} (
  mapping STRING NOT NULL,
  batch INT64 NOT NULL,
  source_key STRING,
  rule STRING NOT NULL,
  raw STRING NOT NULL,
  kept_at TIMESTAMP NOT NULL,
  run_id STRING,
  mapping_hash STRING,
  kafka_offset INT64
)
CLUSTER BY mapping, source_key

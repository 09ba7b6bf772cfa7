-- Rows of a dataset that could not be merged, as they came (JSON, personal columns included), with the rule that they
-- broke. A newer row of their key, or its end, takes them away. A rule 'held: …' is a person's: whatever
-- brings the same again (`said_hash`, of all that the mapping makes of it) is kept aside, too.
CREATE TABLE IF NOT EXISTS `project.quarantine.sse_customer` (
  mapping STRING NOT NULL,
  batch INT64 NOT NULL,
  source_key STRING,
  rule STRING NOT NULL,
  raw STRING NOT NULL,
  kept_at TIMESTAMP NOT NULL,
  run_id STRING,
  said_hash STRING,
  kafka_offset INT64
)
CLUSTER BY mapping, source_key

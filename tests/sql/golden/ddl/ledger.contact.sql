-- Progress of an entity: one row 'entity' with the last change number, one row per mapping with the last batch.
-- Every merge begins by updating this table: that is its lock. The table is born with its first row: no change yet, and
-- an epoch that tells this change log from any other. Its description tells by which rules rows were keyed and chosen.
-- whole_at: from this batch on all that the mapping's dataset holds has been merged (NULL: from the first on).
CREATE TABLE IF NOT EXISTS `project.ledger.contact` (
  name STRING NOT NULL,
  epoch STRING,
  change_number INT64,
  changed_at TIMESTAMP,
  batch INT64,
  whole_at INT64,
  mapping_hash STRING,
  merged_at TIMESTAMP,
  run_id STRING,
  attempt STRING,
  locked_by STRING,
  rows_taken INT64,
  rows_conformed INT64,
  inserted INT64,
  updated INT64,
  removed INT64,
  events INT64,
  contested INT64,
  followed INT64,
  vanished INT64,
  unsettled INT64,
  quarantined INT64
)
OPTIONS (description = 'mastered by_customer; identified_by none; partitioned_by none; precedence sse')
AS SELECT
  'entity' AS name,
  GENERATE_UUID() AS epoch,
  0 AS change_number,
  TIMESTAMP '1970-01-01 00:00:00+00' AS changed_at,
  CAST(NULL AS INT64) AS batch,
  CAST(NULL AS INT64) AS whole_at,
  CAST(NULL AS STRING) AS mapping_hash,
  CAST(NULL AS TIMESTAMP) AS merged_at,
  CAST(NULL AS STRING) AS run_id,
  CAST(NULL AS STRING) AS attempt,
  CAST(NULL AS STRING) AS locked_by,
  CAST(NULL AS INT64) AS rows_taken,
  CAST(NULL AS INT64) AS rows_conformed,
  CAST(NULL AS INT64) AS inserted,
  CAST(NULL AS INT64) AS updated,
  CAST(NULL AS INT64) AS removed,
  CAST(NULL AS INT64) AS events,
  CAST(NULL AS INT64) AS contested,
  CAST(NULL AS INT64) AS followed,
  CAST(NULL AS INT64) AS vanished,
  CAST(NULL AS INT64) AS unsettled,
  CAST(NULL AS INT64) AS quarantined

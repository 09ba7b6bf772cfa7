-- Rows of customer/from_platform_customer that a person holds, kept aside while its merge still stands where it was looked at.
DECLARE v_changed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
BEGIN TRANSACTION;
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.customer` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
CREATE TEMP TABLE held AS
SELECT
  CAST(JSON_VALUE(row, '$.batch') AS INT64) AS _batch,
  CAST(JSON_VALUE(row, '$.layer') AS INT64) AS _layer,
  CAST(JSON_VALUE(row, '$.position') AS INT64) AS _position,
  JSON_VALUE(row, '$.source_key') AS _source_key,
  JSON_VALUE(row, '$.said_hash') AS _said_hash,
  CONCAT('held: ', JSON_VALUE(row, '$.rule')) AS _rule
FROM UNNEST(SPLIT(@rows, '\n')) AS row;
DELETE FROM `project.quarantine.platform_customer`
WHERE mapping = @mapping AND source_key IN (SELECT _source_key FROM held);
INSERT INTO `project.quarantine.platform_customer` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
SELECT
  CAST(@mapping AS STRING),
  b._batch,
  b._source_key,
  b._rule,
  s._raw,
  v_changed_at,
  CAST(@run_id AS STRING),
  b._said_hash,
  b._position
FROM (SELECT DISTINCT _batch, _layer, _position, _source_key, _rule, _said_hash FROM held) AS b
JOIN (
  SELECT
    `kafka_key` AS _source_key,
    `kafka_data`.`offset` AS _position,
    TO_JSON_STRING(STRUCT(`kafka_key` AS `kafka_key`, `given_name` AS `given_name`, `family_name` AS `family_name`, `email` AS `email`, `date_of_birth` AS `date_of_birth`, `created_at` AS `created_at`, `is_active` AS `is_active`, `imported_from` AS `imported_from`, `migrated_at` AS `migrated_at`)) AS _raw
  FROM `project.platform_landing.customer`
  WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to)
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._position = b._position
WHERE b._source_key IS NOT NULL OR s._raw NOT IN (SELECT raw FROM `project.quarantine.platform_customer` WHERE mapping = @mapping AND source_key IS NULL)
;
COMMIT TRANSACTION;

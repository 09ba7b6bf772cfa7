-- Why a merge of customer/from_platform_customer is refused: the rows that cannot be merged, kept aside by a statement of its own.
DECLARE v_changed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
DECLARE v_bad INT64 DEFAULT 0;
DECLARE v_newly_bad INT64 DEFAULT 0;
-- Offsets order the records of one key only within one partition of one life of the topic.
CREATE TEMP TABLE landing_places AS
SELECT `kafka_data`.`partition` AS _kafka_partition, `kafka_data`.`offset` AS _kafka_offset, `kafka_key` AS _source_key
FROM `project.platform_landing.customer`
WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to);
ASSERT NOT EXISTS (
  SELECT 1 FROM landing_places WHERE _source_key IS NOT NULL GROUP BY _source_key HAVING COUNT(DISTINCT _kafka_partition) > 1
) AS 'Rule: a key of platform/customer lies in two partitions of its topic, so its newest record is not known';
ASSERT NOT EXISTS (
  SELECT 1 FROM landing_places GROUP BY _kafka_partition, _kafka_offset HAVING COUNT(DISTINCT _source_key) > 1
) AS 'Rule: one offset of platform/customer holds two records: the topic was made anew, and its old rows are still there';
-- Nothing was copied when the batches were noted, so what was counted then must still be there. (Late records are more.)
ASSERT (
  SELECT COUNT(*) >= @counted
  FROM (SELECT DISTINCT _kafka_partition, _kafka_offset FROM landing_places WHERE FALSE
      OR (`_kafka_partition` = @w0_partition
        AND `_kafka_offset` >= @w0_begins AND `_kafka_offset` < @w0_to)
      OR (`_kafka_partition` = @w1_partition
        AND `_kafka_offset` >= @w1_begins AND `_kafka_offset` < @w1_to))
) AS 'Rule: records of platform/customer that were counted are gone from the landing table: find out why, then trigger with full_refresh';
-- The newest row of each source key (and each that has none), through the mapping. The order is total: batch, layer,
-- position, every column.
CREATE TEMP TABLE incoming AS
SELECT
  _batch,
  _layer,
  _position,
  _source_key,
  _is_gone,
  same_as,
  taken_over_at,
  `given_name`,
  `family_name`,
  `email`,
  `birth_date`,
  `registered_at`,
  is_present
FROM (
  SELECT
    _batch,
    _layer,
    `kafka_key` AS _source_key,
    `kafka_data`.`offset` AS _position,
    (customer_id IS NULL) AS _is_gone,
    NULLIF(TRIM(given_name), '')                                         AS given_name,
    NULLIF(TRIM(family_name), '')                                        AS family_name,
    NULLIF(TRIM(email), '')                                              AS email,
    date_of_birth                                                        AS birth_date,
    created_at                                                           AS registered_at,
    COALESCE(is_active, TRUE)                                            AS is_present,
    NULLIF(TRIM(imported_from), '')                                      AS same_as,
    IF(NULLIF(TRIM(imported_from), '') IS NULL, NULL, migrated_at)       AS taken_over_at
  FROM (
    SELECT 8 AS _batch, 0 AS _layer, landing.*
    FROM `project.platform_landing.customer` AS landing
    WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to)
  ) AS `platform_customer`
)
WHERE TRUE
QUALIFY _source_key IS NULL OR ROW_NUMBER() OVER (
  PARTITION BY _source_key
  ORDER BY _batch DESC, _layer DESC, _position DESC, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`, is_present, same_as, taken_over_at
) = 1;
-- Rows that nobody can merge, or that a person holds. What lies in earlier batches of their keys is older, so it is not asked.
CREATE TEMP TABLE bad AS
SELECT * FROM (
  SELECT
    i._batch,
    i._layer,
    i._position,
    i._source_key,
    CASE
      WHEN i._source_key IS NULL THEN 'no key'
      WHEN i._is_gone THEN NULL
      WHEN h.rule IS NOT NULL THEN h.rule
      WHEN i.is_present IS NULL THEN 'is_present is NULL'
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM `project.quarantine.platform_customer`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`given_name`, i.`family_name`, i.`email`, i.`birth_date`, i.`registered_at`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
-- Windows overlap: what a run before has kept aside is no news.
SET v_newly_bad = v_bad - (
  SELECT COUNT(*)
  FROM bad AS b
  JOIN (
    SELECT DISTINCT COALESCE(source_key, '') AS source_key, kafka_offset, rule FROM `project.quarantine.platform_customer` WHERE mapping = @mapping
  ) AS q ON q.source_key = COALESCE(b._source_key, '') AND q.kafka_offset = b._position AND q.rule = b._rule
);
DELETE FROM `project.quarantine.platform_customer` WHERE mapping = @mapping AND batch >= 8 AND NOT STARTS_WITH(rule, 'held: ');
DELETE FROM bad WHERE STARTS_WITH(_rule, 'held: ');
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
FROM (SELECT DISTINCT _batch, _layer, _position, _source_key, _rule, _said_hash FROM bad) AS b
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
LIMIT 1000;

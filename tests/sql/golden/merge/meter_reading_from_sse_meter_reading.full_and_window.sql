-- meter_reading/from_sse_meter_reading: batches 7, 8 of sse/meter_reading, one transaction.
DECLARE v_first_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_vanished INT64 DEFAULT 0;
DECLARE v_bad INT64 DEFAULT 0;
DECLARE v_newly_bad INT64 DEFAULT 0;
DECLARE v_whole_at INT64;
DECLARE v_is_whole BOOL;
DECLARE v_months_meter_reading ARRAY<TIMESTAMP> DEFAULT [];
BEGIN TRANSACTION;
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
UPDATE `project.ledger.account` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.meter` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.meter_reading` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.supply_point` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.meter_reading` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_first_number = (SELECT change_number + 1 FROM `project.ledger.meter_reading` WHERE name = 'entity');
-- Who had all before still has it while everything is read anew.
SET v_whole_at = COALESCE(
  (SELECT MIN(COALESCE(whole_at, batch)) FROM `project.ledger.meter_reading` WHERE name = @mapping AND COALESCE(whole_at, batch) <= batch),
  8,
  1000000000000000
);
SET v_is_whole = v_whole_at <= 8;
SET v_changed_at = (
  SELECT GREATEST(CURRENT_TIMESTAMP(), MAX(changed_at))
  FROM (
    SELECT changed_at FROM `project.ledger.account` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.customer` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.meter` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.meter_reading` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.supply_point` WHERE name = 'entity'
  )
);
SET v_salt = (SELECT salt FROM `project.identity.salt`);
ASSERT v_first_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';
-- Two rows of one picture of the source under one key of ours would become one without a sound. (Ranges are pictures
-- of several moments: what moved between them is in the catch-up, or no longer there.)
CREATE TEMP TABLE repeated AS
  SELECT _batch, _layer, _source_key
  FROM (
    SELECT 7 AS _batch, 0 AS _layer, CAST(`ReadingId` AS STRING) AS _source_key
    FROM `project.staging.sse_meter_reading__7`
    UNION ALL
    SELECT 8 AS _batch, 0 AS _layer, CAST(`ReadingId` AS STRING) AS _source_key
    FROM `project.staging.sse_meter_reading__8`
  )
  WHERE _source_key IS NOT NULL
  GROUP BY _batch, _layer, _source_key
  HAVING COUNT(*) > 1;
-- The newest row of each source key (and each that has none), through the mapping. The order is total: batch, layer,
-- position; two rows of one picture are kept aside.
CREATE TEMP TABLE incoming AS
SELECT
  _batch,
  _layer,
  _position,
  _source_key,
  _is_gone,
  same_as,
  taken_over_at,
  CAST(`meter_id` AS STRING) AS `meter_id`,
  `register`,
  `read_at`,
  `reading`,
  `taken_by`,
  is_present
FROM (
  SELECT
    _batch,
    _layer,
    CAST(`ReadingId` AS STRING) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    MeterId                                          AS meter_id,
    REGEXP_REPLACE(TRIM(Register), r'^\d$', r'0\0')  AS register,
    TIMESTAMP(ReadAt, 'Europe/London')               AS read_at,
    Reading                                          AS reading,
    CASE UPPER(TRIM(ReadingType))
      WHEN 'A' THEN 'actual'
      WHEN 'C' THEN 'customer'
      WHEN 'E' THEN 'estimated'
      WHEN 'S' THEN 'smart'
      ELSE TRIM(ReadingType)
    END                                              AS taken_by,
    UPPER(TRIM(Status)) <> 'W'                       AS is_present
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `ReadingId`,
      `MeterId`,
      `Register`,
      `ReadAt`,
      `Reading`,
      `ReadingType`,
      `Status`,
      `RowVer`
    FROM `project.staging.sse_meter_reading__7`
    UNION ALL
    SELECT
      8 AS _batch,
      0 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `ReadingId`,
      `MeterId`,
      `Register`,
      `ReadAt`,
      `Reading`,
      `ReadingType`,
      `Status`,
      `RowVer`
    FROM `project.staging.sse_meter_reading__8`
  ) AS `sse_meter_reading`
)
WHERE TRUE
QUALIFY _source_key IS NULL OR ROW_NUMBER() OVER (
  PARTITION BY _source_key
  ORDER BY _batch DESC, _layer DESC, _position DESC
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
      WHEN r._source_key IS NOT NULL THEN 'two rows of one key'
      WHEN i._is_gone THEN NULL
      WHEN h.rule IS NOT NULL THEN h.rule
      WHEN i.is_present IS NULL THEN 'is_present is NULL'
      WHEN i.`meter_id` IS NULL THEN 'meter_id is NULL'
      WHEN i.`register` IS NULL THEN 'register is NULL'
      WHEN i.`read_at` IS NULL THEN 'read_at is NULL'
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
  LEFT JOIN repeated AS r ON r._batch = i._batch AND r._layer = i._layer AND r._source_key = i._source_key
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM `project.quarantine.sse_meter_reading`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`meter_id`, i.`register`, i.`read_at`, i.`reading`, i.`taken_by`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
SET v_newly_bad = v_bad;
IF v_bad > 0 THEN
  ASSERT (
    SELECT IF(
      v_bad <= @quarantine_share * GREATEST(taken, known),
      TRUE,
      ERROR(CONCAT('Rule: ', CAST(v_bad AS STRING), ' of ', CAST(GREATEST(taken, known) AS STRING), ' rows of sse/meter_reading cannot be merged, more than its contract allows: ', rules))
    )
    FROM (
      SELECT
        (SELECT COUNT(*) FROM incoming) AS taken,
        (
          SELECT COUNT(*) FROM `project.identity.meter_reading`
          WHERE system = 'sse' AND id_space = 'meter_reading'
        ) AS known,
        (
          SELECT STRING_AGG(CONCAT(CAST(number AS STRING), ' x ', _rule), ', ' ORDER BY _rule)
          FROM (SELECT _rule, COUNT(*) AS number FROM bad GROUP BY _rule)
        ) AS rules
    )
  ) AS 'Rule: too many rows cannot be merged';
  DELETE FROM incoming
  WHERE _source_key IS NULL OR _source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL);
END IF;
-- Who is there: judged by batch 7, the last that looked at every key. Absence there beats a row. Who is
-- kept aside is there.
CREATE TEMP TABLE seen AS
SELECT _source_key FROM incoming WHERE _batch >= 7
UNION DISTINCT
SELECT _source_key FROM bad WHERE _batch >= 7 AND _source_key IS NOT NULL
;
-- The months that are touched: of the rows that came, and of those that they replace.
SET v_months_meter_reading = (
  SELECT IFNULL(ARRAY_AGG(DISTINCT month IGNORE NULLS), [])
  FROM (
    SELECT TIMESTAMP_TRUNC(c.`read_at`, MONTH) AS month FROM incoming AS c
    UNION ALL
    SELECT i.month
    FROM `project.identity.meter_reading` AS i
    WHERE i.system = 'sse' AND i.id_space = 'meter_reading'
  )
);
-- What differs from what this system said before, column by column: a batch that changes nothing writes nothing.
CREATE TEMP TABLE conforming AS
SELECT * FROM (
  SELECT
    COALESCE(i._source_key, t.source_key) AS _source_key,
    i._source_key IS NOT NULL AS _has_row,
    t.source_key IS NOT NULL AS _is_known,
    k._source_key IS NULL OR COALESCE(i._is_gone, FALSE) AS _is_gone,
    i._batch,
    i.`meter_id`,
    i.`register`,
    i.`read_at`,
    i.`reading`,
    i.`taken_by`,
    i.`same_as`,
    i.`taken_over_at`,
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`meter_id` IS DISTINCT FROM i.`meter_id`
      OR t.`register` IS DISTINCT FROM i.`register`
      OR t.`read_at` IS DISTINCT FROM i.`read_at`
      OR t.`reading` IS DISTINCT FROM i.`reading`
      OR t.`taken_by` IS DISTINCT FROM i.`taken_by`
      OR t.`same_as` IS DISTINCT FROM i.`same_as`
      OR t.`taken_over_at` IS DISTINCT FROM i.`taken_over_at`
      AS _differs
  FROM incoming AS i
  FULL OUTER JOIN (
    SELECT * FROM `project.conformed.meter_reading` AS c
    WHERE c.system = 'sse' AND c.id_space = 'meter_reading' AND TIMESTAMP_TRUNC(c.`read_at`, MONTH) IN UNNEST(v_months_meter_reading)
  ) AS t ON t.source_key = i._source_key
  LEFT JOIN seen AS k ON k._source_key = COALESCE(i._source_key, t.source_key)
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
MERGE `project.conformed.meter_reading` AS t
USING conforming AS s
ON t.system = 'sse' AND t.id_space = 'meter_reading' AND t.source_key = s._source_key AND TIMESTAMP_TRUNC(t.`read_at`, MONTH) IN UNNEST(v_months_meter_reading)
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `meter_id` = s.`meter_id`, `register` = s.`register`, `read_at` = s.`read_at`, `reading` = s.`reading`, `taken_by` = s.`taken_by`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `meter_id`, `register`, `read_at`, `reading`, `taken_by`, `same_as`, `taken_over_at`)
VALUES
  ('sse', 'meter_reading', s._source_key, s._batch, s.is_present, s.`meter_id`, s.`register`, s.`read_at`, s.`reading`, s.`taken_by`, s.`same_as`, s.`taken_over_at`);
IF EXISTS (SELECT 1 FROM `project.quarantine.sse_meter_reading` WHERE mapping = @mapping) THEN
  DELETE FROM `project.quarantine.sse_meter_reading`
  WHERE mapping = @mapping
    AND (
      (source_key IS NULL AND (TRUE))
      OR source_key IN (SELECT _source_key FROM incoming)
      OR source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL)
      OR source_key NOT IN (SELECT _source_key FROM seen)
    );
END IF;
IF v_bad > 0 THEN
  INSERT INTO `project.quarantine.sse_meter_reading` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
SELECT
  CAST(@mapping AS STRING),
  b._batch,
  b._source_key,
  b._rule,
  s._raw,
  v_changed_at,
  CAST(@run_id AS STRING),
  b._said_hash,
  CAST(NULL AS INT64)
FROM (SELECT DISTINCT _batch, _layer, _source_key, _rule, _said_hash FROM bad) AS b
JOIN (
  SELECT
    7 AS _batch,
    0 AS _layer,
    CAST(`ReadingId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`ReadingId` AS `ReadingId`, `MeterId` AS `MeterId`, `Register` AS `Register`, `ReadAt` AS `ReadAt`, `Reading` AS `Reading`, `ReadingType` AS `ReadingType`, `Status` AS `Status`)) AS _raw
  FROM `project.staging.sse_meter_reading__7`
  UNION ALL
  SELECT
    8 AS _batch,
    0 AS _layer,
    CAST(`ReadingId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`ReadingId` AS `ReadingId`, `MeterId` AS `MeterId`, `Register` AS `Register`, `ReadAt` AS `ReadAt`, `Reading` AS `Reading`, `ReadingType` AS `ReadingType`, `Status` AS `Status`)) AS _raw
  FROM `project.staging.sse_meter_reading__8`
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._batch = b._batch AND s._layer = b._layer
;
END IF;
-- Facts of the world make the key: two records that agree in them are one thing, whichever system holds them.
CREATE TEMP TABLE keyed_meter_reading AS
SELECT
  c.source_key,
  i.source_key IS NULL AS is_new,
  i.`meter_reading_key` AS key_before,
  IF(c._is_gone, i.own_key, COALESCE(SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter_reading', '\x1f', 'facts', '\x1f', '', '\x1f', CONCAT(CAST(CASE
    WHEN c.`meter_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_meter_id`.`meter_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter_reading' THEN 'meter' END), '\x1f', c.`meter_id`))), 1, 32)
    )
  END AS STRING), '|', REPLACE(REPLACE(c.`register`, '\\', '\\\\'), '|', '\\|'), '|', FORMAT_TIMESTAMP('%F %H:%M:%E6S', c.`read_at`, 'UTC'))))), 1, 32), SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter_reading', '\x1f', c.system, '\x1f', c.id_space, '\x1f', c.source_key))), 1, 32))) AS key_after,
  IF(c._is_gone, i.month, TIMESTAMP_TRUNC(c.`read_at`, MONTH)) AS month
FROM (
  SELECT 'sse' AS system, 'meter_reading' AS id_space, _source_key AS source_key, * FROM conforming
) AS c
LEFT JOIN `project.identity.meter_reading` AS i
  ON i.system = 'sse' AND i.id_space = 'meter_reading' AND i.source_key = c.source_key
LEFT JOIN `project.identity.meter` AS `p_meter_id`
  ON `p_meter_id`.system = c.system
  AND `p_meter_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter_reading' THEN 'meter' END)
  AND `p_meter_id`.source_key = c.`meter_id`
;
MERGE `project.identity.meter_reading` AS t
USING keyed_meter_reading AS s
ON t.system = 'sse' AND t.id_space = 'meter_reading' AND t.source_key = s.source_key
WHEN MATCHED THEN UPDATE SET
  own_key = s.key_after, `meter_reading_key` = s.key_after, month = s.month
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, own_key, first_number, `meter_reading_key`, is_linked, month)
VALUES
  ('sse', 'meter_reading', s.source_key, s.key_after, v_first_number, s.key_after, FALSE, s.month);
CREATE TEMP TABLE affected_meter_reading AS
SELECT key_before AS `meter_reading_key` FROM keyed_meter_reading WHERE key_before IS NOT NULL
UNION DISTINCT
SELECT key_after FROM keyed_meter_reading;
SET v_months_meter_reading = ARRAY_CONCAT(v_months_meter_reading, (
  SELECT IFNULL(ARRAY_AGG(DISTINCT i.month IGNORE NULLS), [])
  FROM affected_meter_reading AS a
  JOIN `project.identity.meter_reading` AS i ON i.`meter_reading_key` = a.`meter_reading_key`
));
-- meter_reading: every record that could speak for an affected key.
CREATE TEMP TABLE record_meter_reading AS
SELECT i.`meter_reading_key`, i.system, i.id_space, i.source_key
FROM affected_meter_reading AS a
JOIN `project.identity.meter_reading` AS i ON i.`meter_reading_key` = a.`meter_reading_key`;
CREATE TEMP TABLE says_meter_reading AS
SELECT i.*, c.`meter_id`, c.`register`, c.`read_at`, c.`reading`, c.`taken_by`
FROM record_meter_reading AS i
JOIN conforming AS c ON c._source_key = i.source_key
WHERE i.system = 'sse' AND i.id_space = 'meter_reading' AND NOT c._is_gone AND c.is_present;
IF EXISTS (SELECT 1 FROM record_meter_reading AS i WHERE NOT (i.system = 'sse' AND i.id_space = 'meter_reading' AND i.source_key IN (SELECT _source_key FROM conforming))) THEN
INSERT INTO says_meter_reading (`meter_reading_key`, system, id_space, source_key, `meter_id`, `register`, `read_at`, `reading`, `taken_by`)
SELECT i.*, c.`meter_id`, c.`register`, c.`read_at`, c.`reading`, c.`taken_by`
FROM record_meter_reading AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.meter_reading` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND TIMESTAMP_TRUNC(c.`read_at`, MONTH) IN UNNEST(v_months_meter_reading)
WHERE c.is_present AND c.system IN ('sse') AND NOT (i.system = 'sse' AND i.id_space = 'meter_reading' AND i.source_key IN (SELECT _source_key FROM conforming));
END IF;
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_meter_reading AS
WITH candidate AS (
  SELECT
    c.`meter_reading_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`meter_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_meter_id`.`meter_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter_reading' THEN 'meter' END), '\x1f', c.`meter_id`))), 1, 32)
    )
  END AS `meter_key`,
    c.`register`,
    c.`read_at`,
    c.`reading`,
    c.`taken_by`,
    CASE c.system WHEN 'sse' THEN 1 END AS rank
  FROM says_meter_reading AS c
  LEFT JOIN `project.identity.meter` AS `p_meter_id`
  ON `p_meter_id`.system = c.system
  AND `p_meter_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter_reading' THEN 'meter' END)
  AND `p_meter_id`.source_key = c.`meter_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`meter_reading_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`meter_reading_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`meter_reading_key` IS NULL THEN 'insert'
      WHEN w.`meter_reading_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`meter_reading_key` IS NULL) <> (w.`meter_reading_key` IS NULL)
      OR w.`meter_key` IS DISTINCT FROM p.`meter_key`
      OR w.`register` IS DISTINCT FROM p.`register`
      OR w.`read_at` IS DISTINCT FROM p.`read_at`
      OR w.`reading` IS DISTINCT FROM p.`reading`
      OR w.`taken_by` IS DISTINCT FROM p.`taken_by`
      AS is_event,
    (p.`meter_reading_key` IS NULL) <> (w.`meter_reading_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`meter_key` IS DISTINCT FROM p.`meter_key`
      OR w.`register` IS DISTINCT FROM p.`register`
      OR w.`read_at` IS DISTINCT FROM p.`read_at`
      OR w.`reading` IS DISTINCT FROM p.`reading`
      OR w.`taken_by` IS DISTINCT FROM p.`taken_by`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`meter_reading_key`,
    w.system AS source_system,
    w.`meter_key`,
    w.`register`,
    w.`read_at`,
    w.`reading`,
    w.`taken_by`
  FROM affected_meter_reading AS a
  LEFT JOIN winner AS w ON w.`meter_reading_key` = a.`meter_reading_key`
  LEFT JOIN `project.common_model.meter_reading` AS p
    ON p.`meter_reading_key` = a.`meter_reading_key` AND TIMESTAMP_TRUNC(p.`read_at`, MONTH) IN UNNEST(v_months_meter_reading)
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `meter_reading_key`, source_system, `meter_key`, `register`, `read_at`, `reading`, `taken_by`
    FROM change_meter_reading
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of meter_reading break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`meter_reading_key`, ', ' ORDER BY `meter_reading_key` LIMIT 3))) AS told
    FROM (
      SELECT `meter_reading_key` FROM change_meter_reading WHERE is_change
      GROUP BY `meter_reading_key`
      HAVING COUNT(*) > 1
    )
    UNION ALL
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of meter_reading break reading_within_bounds, registers have at most nine digits, so a longer number is another column: ', STRING_AGG(`meter_reading_key`, ', ' ORDER BY `meter_reading_key` LIMIT 3))) AS told
    FROM (
      SELECT meter_reading_key
      FROM changed
      WHERE ABS(reading) >= 1000000000
    )
  )
) AS 'Rule: a check of meter_reading is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_meter_reading AS
SELECT
  `meter_reading_key`,
  (SELECT change_number FROM `project.ledger.meter_reading` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `meter_reading_key`) AS change_number
FROM change_meter_reading
WHERE is_change;
INSERT INTO `project.change_log.meter_reading`
  (change_number, changed_at, operation, is_event, `meter_reading_key`, source_system, `meter_key`, `register`, `read_at`, `reading`, `taken_by`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`meter_reading_key`, c.source_system, c.`meter_key`, c.`register`, c.`read_at`, c.`reading`, c.`taken_by`
FROM numbered_meter_reading AS n
JOIN change_meter_reading AS c ON c.`meter_reading_key` = n.`meter_reading_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.meter_reading` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_meter_reading AS n
  JOIN change_meter_reading AS c ON c.`meter_reading_key` = n.`meter_reading_key`
) AS s
ON t.`meter_reading_key` = s.`meter_reading_key` AND TIMESTAMP_TRUNC(t.`read_at`, MONTH) IN UNNEST(v_months_meter_reading)
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `meter_key` = s.`meter_key`, `register` = s.`register`, `read_at` = s.`read_at`, `reading` = s.`reading`, `taken_by` = s.`taken_by`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`meter_reading_key`, source_system, change_number, changed_at, `meter_key`, `register`, `read_at`, `reading`, `taken_by`)
VALUES
  (s.`meter_reading_key`, s.source_system, s.change_number, v_changed_at, s.`meter_key`, s.`register`, s.`read_at`, s.`reading`, s.`taken_by`);
UPDATE `project.ledger.meter_reading`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_meter_reading), changed_at = v_changed_at
WHERE name = 'entity';
-- Progress, in the same transaction as the data that it describes.
DELETE FROM `project.ledger.meter_reading` WHERE name = @mapping;
INSERT INTO `project.ledger.meter_reading`
  (name, batch, whole_at, mapping_hash, merged_at, run_id, attempt, rows_taken, rows_conformed, inserted, updated, removed, events, contested, followed, vanished, unsettled, quarantined)
SELECT
  CAST(@mapping AS STRING),
  @batch,
  v_whole_at,
  CAST(@mapping_hash AS STRING),
  v_changed_at,
  CAST(@run_id AS STRING),
  CAST(@attempt AS STRING),
  (SELECT COUNT(*) FROM incoming) + v_bad,
  (SELECT COUNT(*) FROM conforming),
  (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_meter_reading),
  (SELECT COUNTIF(is_change AND operation = 'update') FROM change_meter_reading),
  (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_meter_reading),
  (SELECT COUNTIF(is_change AND is_event) FROM change_meter_reading),
  (SELECT COUNTIF(is_contested) FROM change_meter_reading),
  v_followed,
  v_vanished,
  0,
  v_newly_bad;
COMMIT TRANSACTION;

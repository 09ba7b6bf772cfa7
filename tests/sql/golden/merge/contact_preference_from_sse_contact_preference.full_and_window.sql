-- contact_preference/from_sse_contact_preference: batches 7, 8 of sse/contact_preference, one transaction.
DECLARE v_first_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_vanished INT64 DEFAULT 0;
DECLARE v_bad INT64 DEFAULT 0;
DECLARE v_newly_bad INT64 DEFAULT 0;
DECLARE v_whole_at INT64;
DECLARE v_is_whole BOOL;
BEGIN TRANSACTION;
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
UPDATE `project.ledger.contact_preference` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.contact_preference` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_first_number = (SELECT change_number + 1 FROM `project.ledger.contact_preference` WHERE name = 'entity');
-- Who had all before still has it while everything is read anew.
SET v_whole_at = COALESCE(
  (SELECT MIN(COALESCE(whole_at, batch)) FROM `project.ledger.contact_preference` WHERE name = @mapping AND COALESCE(whole_at, batch) <= batch),
  8,
  1000000000000000
);
SET v_is_whole = v_whole_at <= 8;
SET v_changed_at = (
  SELECT GREATEST(CURRENT_TIMESTAMP(), MAX(changed_at))
  FROM (
    SELECT changed_at FROM `project.ledger.contact_preference` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.customer` WHERE name = 'entity'
  )
);
SET v_salt = (SELECT salt FROM `project.identity.salt`);
ASSERT v_first_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';
-- Two rows of one picture of the source under one key of ours would become one without a sound. (Ranges are pictures
-- of several moments: what moved between them is in the catch-up, or no longer there.)
CREATE TEMP TABLE repeated AS
  SELECT _batch, _layer, _source_key
  FROM (
    SELECT 7 AS _batch, 0 AS _layer, CONCAT(REPLACE(REPLACE(CAST(`CustomerId` AS STRING), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Channel`, ' ')), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Purpose`, ' ')), '\\', '\\\\'), '|', '\\|')) AS _source_key
    FROM `project.staging.sse_contact_preference__7`
    UNION ALL
    SELECT 8 AS _batch, 0 AS _layer, CONCAT(REPLACE(REPLACE(CAST(`CustomerId` AS STRING), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Channel`, ' ')), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Purpose`, ' ')), '\\', '\\\\'), '|', '\\|')) AS _source_key
    FROM `project.staging.sse_contact_preference__8`
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
  CAST(`customer_id` AS STRING) AS `customer_id`,
  `channel`,
  `purpose`,
  `is_allowed`,
  `decided_at`,
  `told_by`,
  is_present
FROM (
  SELECT
    _batch,
    _layer,
    CONCAT(REPLACE(REPLACE(CAST(`CustomerId` AS STRING), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Channel`, ' ')), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Purpose`, ' ')), '\\', '\\\\'), '|', '\\|')) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    TRUE AS is_present,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    CustomerId                               AS customer_id,
    LOWER(TRIM(Channel))                     AS channel,
    LOWER(TRIM(Purpose))                     AS purpose,
    IsAllowed                                AS is_allowed,
    TIMESTAMP(ChangedAt, 'Europe/London')    AS decided_at,
    NULLIF(LOWER(TRIM(Source)), '')          AS told_by
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      CAST(NULL AS BYTES) AS _order,
      FALSE AS _gone,
      `CustomerId`,
      `Channel`,
      `Purpose`,
      `IsAllowed`,
      `ChangedAt`,
      `Source`
    FROM `project.staging.sse_contact_preference__7`
    UNION ALL
    SELECT
      8 AS _batch,
      0 AS _layer,
      CAST(NULL AS BYTES) AS _order,
      FALSE AS _gone,
      `CustomerId`,
      `Channel`,
      `Purpose`,
      `IsAllowed`,
      `ChangedAt`,
      `Source`
    FROM `project.staging.sse_contact_preference__8`
  ) AS `sse_contact_preference`
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
      WHEN i.`customer_id` IS NULL THEN 'customer_id is NULL'
      WHEN i.`channel` IS NULL THEN 'channel is NULL'
      WHEN i.`purpose` IS NULL THEN 'purpose is NULL'
      WHEN i.`is_allowed` IS NULL THEN 'is_allowed is NULL'
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
  LEFT JOIN repeated AS r ON r._batch = i._batch AND r._layer = i._layer AND r._source_key = i._source_key
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM `project.quarantine.sse_contact_preference`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`customer_id`, i.`channel`, i.`purpose`, i.`is_allowed`, i.`decided_at`, i.`told_by`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
SET v_newly_bad = v_bad;
IF v_bad > 0 THEN
  ASSERT (
    SELECT IF(
      v_bad <= @quarantine_share * GREATEST(taken, known),
      TRUE,
      ERROR(CONCAT('Rule: ', CAST(v_bad AS STRING), ' of ', CAST(GREATEST(taken, known) AS STRING), ' rows of sse/contact_preference cannot be merged, more than its contract allows: ', rules))
    )
    FROM (
      SELECT
        (SELECT COUNT(*) FROM incoming) AS taken,
        (
          SELECT COUNT(*) FROM `project.conformed.contact_preference`
          WHERE system = 'sse' AND id_space = 'contact_preference'
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
-- What differs from what this system said before, column by column: a batch that changes nothing writes nothing.
CREATE TEMP TABLE conforming AS
SELECT * FROM (
  SELECT
    COALESCE(i._source_key, t.source_key) AS _source_key,
    i._source_key IS NOT NULL AS _has_row,
    t.source_key IS NOT NULL AS _is_known,
    k._source_key IS NULL OR COALESCE(i._is_gone, FALSE) AS _is_gone,
    i._batch,
    i.`customer_id`,
    i.`channel`,
    i.`purpose`,
    i.`is_allowed`,
    i.`decided_at`,
    i.`told_by`,
    i.`same_as`,
    i.`taken_over_at`,
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`customer_id` IS DISTINCT FROM i.`customer_id`
      OR t.`channel` IS DISTINCT FROM i.`channel`
      OR t.`purpose` IS DISTINCT FROM i.`purpose`
      OR t.`is_allowed` IS DISTINCT FROM i.`is_allowed`
      OR t.`decided_at` IS DISTINCT FROM i.`decided_at`
      OR t.`told_by` IS DISTINCT FROM i.`told_by`
      OR t.`same_as` IS DISTINCT FROM i.`same_as`
      OR t.`taken_over_at` IS DISTINCT FROM i.`taken_over_at`
      AS _differs
  FROM incoming AS i
  FULL OUTER JOIN (
    SELECT * FROM `project.conformed.contact_preference` AS c
    WHERE c.system = 'sse' AND c.id_space = 'contact_preference'
  ) AS t ON t.source_key = i._source_key
  LEFT JOIN seen AS k ON k._source_key = COALESCE(i._source_key, t.source_key)
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
MERGE `project.conformed.contact_preference` AS t
USING conforming AS s
ON t.system = 'sse' AND t.id_space = 'contact_preference' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `customer_id` = s.`customer_id`, `channel` = s.`channel`, `purpose` = s.`purpose`, `is_allowed` = s.`is_allowed`, `decided_at` = s.`decided_at`, `told_by` = s.`told_by`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `customer_id`, `channel`, `purpose`, `is_allowed`, `decided_at`, `told_by`, `same_as`, `taken_over_at`)
VALUES
  ('sse', 'contact_preference', s._source_key, s._batch, s.is_present, s.`customer_id`, s.`channel`, s.`purpose`, s.`is_allowed`, s.`decided_at`, s.`told_by`, s.`same_as`, s.`taken_over_at`);
IF EXISTS (SELECT 1 FROM `project.quarantine.sse_contact_preference` WHERE mapping = @mapping) THEN
  DELETE FROM `project.quarantine.sse_contact_preference`
  WHERE mapping = @mapping
    AND (
      (source_key IS NULL AND (TRUE))
      OR source_key IN (SELECT _source_key FROM incoming)
      OR source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL)
      OR source_key NOT IN (SELECT _source_key FROM seen)
    );
END IF;
IF v_bad > 0 THEN
  INSERT INTO `project.quarantine.sse_contact_preference` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
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
    CONCAT(REPLACE(REPLACE(CAST(`CustomerId` AS STRING), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Channel`, ' ')), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Purpose`, ' ')), '\\', '\\\\'), '|', '\\|')) AS _source_key,
    TO_JSON_STRING(STRUCT(`CustomerId` AS `CustomerId`, `Channel` AS `Channel`, `Purpose` AS `Purpose`, `IsAllowed` AS `IsAllowed`, `ChangedAt` AS `ChangedAt`, `Source` AS `Source`)) AS _raw
  FROM `project.staging.sse_contact_preference__7`
  UNION ALL
  SELECT
    8 AS _batch,
    0 AS _layer,
    CONCAT(REPLACE(REPLACE(CAST(`CustomerId` AS STRING), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Channel`, ' ')), '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(UPPER(RTRIM(`Purpose`, ' ')), '\\', '\\\\'), '|', '\\|')) AS _source_key,
    TO_JSON_STRING(STRUCT(`CustomerId` AS `CustomerId`, `Channel` AS `Channel`, `Purpose` AS `Purpose`, `IsAllowed` AS `IsAllowed`, `ChangedAt` AS `ChangedAt`, `Source` AS `Source`)) AS _raw
  FROM `project.staging.sse_contact_preference__8`
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._batch = b._batch AND s._layer = b._layer
;
END IF;
INSERT INTO `project.identity.contact_preference`
  (system, id_space, source_key, own_key, first_number, `contact_preference_key`, is_linked)
SELECT
  'sse',
  'contact_preference',
  c._source_key,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'contact_preference', '\x1f', 'sse', '\x1f', 'contact_preference', '\x1f', c._source_key))), 1, 32),
  v_first_number,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'contact_preference', '\x1f', 'sse', '\x1f', 'contact_preference', '\x1f', c._source_key))), 1, 32),
  FALSE
FROM conforming AS c
LEFT JOIN `project.identity.contact_preference` AS i
  ON i.system = 'sse' AND i.id_space = 'contact_preference' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE affected_contact_preference AS
SELECT i.`contact_preference_key`
FROM conforming AS c
JOIN `project.identity.contact_preference` AS i
  ON i.system = 'sse' AND i.id_space = 'contact_preference' AND i.source_key = c._source_key
;
-- contact_preference: every record that could speak for an affected key.
CREATE TEMP TABLE record_contact_preference AS
SELECT i.`contact_preference_key`, i.system, i.id_space, i.source_key
FROM affected_contact_preference AS a
JOIN `project.identity.contact_preference` AS i ON i.`contact_preference_key` = a.`contact_preference_key`;
CREATE TEMP TABLE says_contact_preference AS
SELECT i.*, c.`customer_id`, c.`channel`, c.`purpose`, c.`is_allowed`, c.`decided_at`, c.`told_by`
FROM record_contact_preference AS i
JOIN conforming AS c ON c._source_key = i.source_key
WHERE i.system = 'sse' AND i.id_space = 'contact_preference' AND NOT c._is_gone AND c.is_present;
IF EXISTS (SELECT 1 FROM record_contact_preference AS i WHERE NOT (i.system = 'sse' AND i.id_space = 'contact_preference' AND i.source_key IN (SELECT _source_key FROM conforming))) THEN
INSERT INTO says_contact_preference (`contact_preference_key`, system, id_space, source_key, `customer_id`, `channel`, `purpose`, `is_allowed`, `decided_at`, `told_by`)
SELECT i.*, c.`customer_id`, c.`channel`, c.`purpose`, c.`is_allowed`, c.`decided_at`, c.`told_by`
FROM record_contact_preference AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.contact_preference` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse') AND NOT (i.system = 'sse' AND i.id_space = 'contact_preference' AND i.source_key IN (SELECT _source_key FROM conforming));
END IF;
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_contact_preference AS
WITH candidate AS (
  SELECT
    c.`contact_preference_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`customer_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_customer_id`.`customer_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/contact_preference' THEN 'customer' END), '\x1f', c.`customer_id`))), 1, 32)
    )
  END AS `customer_key`,
    c.`channel`,
    c.`purpose`,
    c.`is_allowed`,
    c.`decided_at`,
    c.`told_by`,
    CASE c.system WHEN 'sse' THEN 1 END AS rank
  FROM says_contact_preference AS c
  LEFT JOIN `project.identity.customer` AS `p_customer_id`
  ON `p_customer_id`.system = c.system
  AND `p_customer_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/contact_preference' THEN 'customer' END)
  AND `p_customer_id`.source_key = c.`customer_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`contact_preference_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN (
    SELECT CASE name WHEN 'from_sse_contact_preference' THEN 'sse' END
    FROM `project.ledger.contact_preference`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_contact_preference')
    UNION ALL
    SELECT 'sse' FROM UNNEST([v_is_whole]) AS is_whole WHERE is_whole
    )
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`contact_preference_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`contact_preference_key` IS NULL THEN 'insert'
      WHEN w.`contact_preference_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`contact_preference_key` IS NULL) <> (w.`contact_preference_key` IS NULL)
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`channel` IS DISTINCT FROM p.`channel`
      OR w.`purpose` IS DISTINCT FROM p.`purpose`
      OR w.`is_allowed` IS DISTINCT FROM p.`is_allowed`
      OR w.`decided_at` IS DISTINCT FROM p.`decided_at`
      OR w.`told_by` IS DISTINCT FROM p.`told_by`
      AS is_event,
    (p.`contact_preference_key` IS NULL) <> (w.`contact_preference_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`channel` IS DISTINCT FROM p.`channel`
      OR w.`purpose` IS DISTINCT FROM p.`purpose`
      OR w.`is_allowed` IS DISTINCT FROM p.`is_allowed`
      OR w.`decided_at` IS DISTINCT FROM p.`decided_at`
      OR w.`told_by` IS DISTINCT FROM p.`told_by`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`contact_preference_key`,
    w.system AS source_system,
    w.`customer_key`,
    w.`channel`,
    w.`purpose`,
    w.`is_allowed`,
    w.`decided_at`,
    w.`told_by`
  FROM affected_contact_preference AS a
  LEFT JOIN winner AS w ON w.`contact_preference_key` = a.`contact_preference_key`
  LEFT JOIN `project.common_model.contact_preference` AS p
    ON p.`contact_preference_key` = a.`contact_preference_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `contact_preference_key`, source_system, `customer_key`, `channel`, `purpose`, `is_allowed`, `decided_at`, `told_by`
    FROM change_contact_preference
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of contact_preference break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`contact_preference_key`, ', ' ORDER BY `contact_preference_key` LIMIT 3))) AS told
    FROM (
      SELECT `contact_preference_key` FROM change_contact_preference WHERE is_change
      GROUP BY `contact_preference_key`
      HAVING COUNT(*) > 1
    )
  )
) AS 'Rule: a check of contact_preference is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_contact_preference AS
SELECT
  `contact_preference_key`,
  (SELECT change_number FROM `project.ledger.contact_preference` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `contact_preference_key`) AS change_number
FROM change_contact_preference
WHERE is_change;
INSERT INTO `project.change_log.contact_preference`
  (change_number, changed_at, operation, is_event, `contact_preference_key`, source_system, `customer_key`, `channel`, `purpose`, `is_allowed`, `decided_at`, `told_by`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`contact_preference_key`, c.source_system, c.`customer_key`, c.`channel`, c.`purpose`, c.`is_allowed`, c.`decided_at`, c.`told_by`
FROM numbered_contact_preference AS n
JOIN change_contact_preference AS c ON c.`contact_preference_key` = n.`contact_preference_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.contact_preference` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_contact_preference AS n
  JOIN change_contact_preference AS c ON c.`contact_preference_key` = n.`contact_preference_key`
) AS s
ON t.`contact_preference_key` = s.`contact_preference_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `customer_key` = s.`customer_key`, `channel` = s.`channel`, `purpose` = s.`purpose`, `is_allowed` = s.`is_allowed`, `decided_at` = s.`decided_at`, `told_by` = s.`told_by`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`contact_preference_key`, source_system, change_number, changed_at, `customer_key`, `channel`, `purpose`, `is_allowed`, `decided_at`, `told_by`)
VALUES
  (s.`contact_preference_key`, s.source_system, s.change_number, v_changed_at, s.`customer_key`, s.`channel`, s.`purpose`, s.`is_allowed`, s.`decided_at`, s.`told_by`);
UPDATE `project.ledger.contact_preference`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_contact_preference), changed_at = v_changed_at
WHERE name = 'entity';
-- Progress, in the same transaction as the data that it describes.
DELETE FROM `project.ledger.contact_preference` WHERE name = @mapping;
INSERT INTO `project.ledger.contact_preference`
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
  (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_contact_preference),
  (SELECT COUNTIF(is_change AND operation = 'update') FROM change_contact_preference),
  (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_contact_preference),
  (SELECT COUNTIF(is_change AND is_event) FROM change_contact_preference),
  (SELECT COUNTIF(is_contested) FROM change_contact_preference),
  v_followed,
  v_vanished,
  0,
  v_newly_bad;
COMMIT TRANSACTION;

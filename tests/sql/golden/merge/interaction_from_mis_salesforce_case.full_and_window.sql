-- interaction/from_mis_salesforce_case: batches 7, 8 of mis/salesforce_case, one transaction.
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
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.interaction` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.interaction` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_first_number = (SELECT change_number + 1 FROM `project.ledger.interaction` WHERE name = 'entity');
-- Who had all before still has it while everything is read anew.
SET v_whole_at = COALESCE(
  (SELECT MIN(COALESCE(whole_at, batch)) FROM `project.ledger.interaction` WHERE name = @mapping AND COALESCE(whole_at, batch) <= batch),
  8,
  1000000000000000
);
SET v_is_whole = v_whole_at <= 8;
SET v_changed_at = (
  SELECT GREATEST(CURRENT_TIMESTAMP(), MAX(changed_at))
  FROM (
    SELECT changed_at FROM `project.ledger.customer` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.interaction` WHERE name = 'entity'
  )
);
SET v_salt = (SELECT salt FROM `project.identity.salt`);
ASSERT v_first_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';
-- Two rows of one picture of the source under one key of ours would become one without a sound. (Ranges are pictures
-- of several moments: what moved between them is in the catch-up, or no longer there.)
CREATE TEMP TABLE repeated AS
  SELECT _batch, _layer, _source_key
  FROM (
    SELECT 7 AS _batch, 0 AS _layer, UPPER(RTRIM(`CaseId`, ' ')) AS _source_key
    FROM `project.staging.mis_salesforce_case__7`
    UNION ALL
    SELECT 8 AS _batch, 0 AS _layer, UPPER(RTRIM(`CaseId`, ' ')) AS _source_key
    FROM `project.staging.mis_salesforce_case__8`
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
  UPPER(RTRIM(`customer_id`, ' ')) AS `customer_id`,
  `case_number`,
  `subject`,
  `status`,
  `opened_at`,
  `closed_at`,
  is_present
FROM (
  SELECT
    _batch,
    _layer,
    UPPER(RTRIM(`CaseId`, ' ')) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    TRUE AS is_present,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    CustomerRef                              AS customer_id,
    TRIM(CaseId)                             AS case_number,
    NULLIF(TRIM(Subject), '')                AS subject,
    TRIM(Status)                             AS status,
    TIMESTAMP(OpenedAt, 'Europe/London')     AS opened_at,
    TIMESTAMP(ClosedAt, 'Europe/London')     AS closed_at
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      CAST(NULL AS BYTES) AS _order,
      FALSE AS _gone,
      `CaseId`,
      `CustomerRef`,
      `Subject`,
      `Status`,
      `OpenedAt`,
      `ClosedAt`
    FROM `project.staging.mis_salesforce_case__7`
    UNION ALL
    SELECT
      8 AS _batch,
      0 AS _layer,
      CAST(NULL AS BYTES) AS _order,
      FALSE AS _gone,
      `CaseId`,
      `CustomerRef`,
      `Subject`,
      `Status`,
      `OpenedAt`,
      `ClosedAt`
    FROM `project.staging.mis_salesforce_case__8`
  ) AS `mis_salesforce_case`
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
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
  LEFT JOIN repeated AS r ON r._batch = i._batch AND r._layer = i._layer AND r._source_key = i._source_key
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM `project.quarantine.mis_salesforce_case`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`customer_id`, i.`case_number`, i.`subject`, i.`status`, i.`opened_at`, i.`closed_at`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
SET v_newly_bad = v_bad;
IF v_bad > 0 THEN
  ASSERT (
    SELECT IF(
      v_bad <= @quarantine_share * GREATEST(taken, known),
      TRUE,
      ERROR(CONCAT('Rule: ', CAST(v_bad AS STRING), ' of ', CAST(GREATEST(taken, known) AS STRING), ' rows of mis/salesforce_case cannot be merged, more than its contract allows: ', rules))
    )
    FROM (
      SELECT
        (SELECT COUNT(*) FROM incoming) AS taken,
        (
          SELECT COUNT(*) FROM `project.conformed.interaction`
          WHERE system = 'mis' AND id_space = 'salesforce_case'
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
    i.`case_number`,
    i.`subject`,
    i.`status`,
    i.`opened_at`,
    i.`closed_at`,
    i.`same_as`,
    i.`taken_over_at`,
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`customer_id` IS DISTINCT FROM i.`customer_id`
      OR t.`case_number` IS DISTINCT FROM i.`case_number`
      OR t.`subject` IS DISTINCT FROM i.`subject`
      OR t.`status` IS DISTINCT FROM i.`status`
      OR t.`opened_at` IS DISTINCT FROM i.`opened_at`
      OR t.`closed_at` IS DISTINCT FROM i.`closed_at`
      OR t.`same_as` IS DISTINCT FROM i.`same_as`
      OR t.`taken_over_at` IS DISTINCT FROM i.`taken_over_at`
      AS _differs
  FROM incoming AS i
  FULL OUTER JOIN (
    SELECT * FROM `project.conformed.interaction` AS c
    WHERE c.system = 'mis' AND c.id_space = 'salesforce_case'
  ) AS t ON t.source_key = i._source_key
  LEFT JOIN seen AS k ON k._source_key = COALESCE(i._source_key, t.source_key)
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
MERGE `project.conformed.interaction` AS t
USING conforming AS s
ON t.system = 'mis' AND t.id_space = 'salesforce_case' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `customer_id` = s.`customer_id`, `case_number` = s.`case_number`, `subject` = s.`subject`, `status` = s.`status`, `opened_at` = s.`opened_at`, `closed_at` = s.`closed_at`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `customer_id`, `case_number`, `subject`, `status`, `opened_at`, `closed_at`, `same_as`, `taken_over_at`)
VALUES
  ('mis', 'salesforce_case', s._source_key, s._batch, s.is_present, s.`customer_id`, s.`case_number`, s.`subject`, s.`status`, s.`opened_at`, s.`closed_at`, s.`same_as`, s.`taken_over_at`);
IF EXISTS (SELECT 1 FROM `project.quarantine.mis_salesforce_case` WHERE mapping = @mapping) THEN
  DELETE FROM `project.quarantine.mis_salesforce_case`
  WHERE mapping = @mapping
    AND (
      (source_key IS NULL AND (TRUE))
      OR source_key IN (SELECT _source_key FROM incoming)
      OR source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL)
      OR source_key NOT IN (SELECT _source_key FROM seen)
    );
END IF;
IF v_bad > 0 THEN
  INSERT INTO `project.quarantine.mis_salesforce_case` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
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
    UPPER(RTRIM(`CaseId`, ' ')) AS _source_key,
    TO_JSON_STRING(STRUCT(`CaseId` AS `CaseId`, `CustomerRef` AS `CustomerRef`, `Subject` AS `Subject`, `Status` AS `Status`, `OpenedAt` AS `OpenedAt`, `ClosedAt` AS `ClosedAt`)) AS _raw
  FROM `project.staging.mis_salesforce_case__7`
  UNION ALL
  SELECT
    8 AS _batch,
    0 AS _layer,
    UPPER(RTRIM(`CaseId`, ' ')) AS _source_key,
    TO_JSON_STRING(STRUCT(`CaseId` AS `CaseId`, `CustomerRef` AS `CustomerRef`, `Subject` AS `Subject`, `Status` AS `Status`, `OpenedAt` AS `OpenedAt`, `ClosedAt` AS `ClosedAt`)) AS _raw
  FROM `project.staging.mis_salesforce_case__8`
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._batch = b._batch AND s._layer = b._layer
;
END IF;
INSERT INTO `project.identity.interaction`
  (system, id_space, source_key, own_key, first_number, `interaction_key`, is_linked)
SELECT
  'mis',
  'salesforce_case',
  c._source_key,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'interaction', '\x1f', 'mis', '\x1f', 'salesforce_case', '\x1f', c._source_key))), 1, 32),
  v_first_number,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'interaction', '\x1f', 'mis', '\x1f', 'salesforce_case', '\x1f', c._source_key))), 1, 32),
  FALSE
FROM conforming AS c
LEFT JOIN `project.identity.interaction` AS i
  ON i.system = 'mis' AND i.id_space = 'salesforce_case' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE affected_interaction AS
SELECT i.`interaction_key`
FROM conforming AS c
JOIN `project.identity.interaction` AS i
  ON i.system = 'mis' AND i.id_space = 'salesforce_case' AND i.source_key = c._source_key
;
-- interaction: every record that could speak for an affected key.
CREATE TEMP TABLE record_interaction AS
SELECT i.`interaction_key`, i.system, i.id_space, i.source_key
FROM affected_interaction AS a
JOIN `project.identity.interaction` AS i ON i.`interaction_key` = a.`interaction_key`;
CREATE TEMP TABLE says_interaction AS
SELECT i.*, c.`customer_id`, c.`case_number`, c.`subject`, c.`status`, c.`opened_at`, c.`closed_at`
FROM record_interaction AS i
JOIN conforming AS c ON c._source_key = i.source_key
WHERE i.system = 'mis' AND i.id_space = 'salesforce_case' AND NOT c._is_gone AND c.is_present;
IF EXISTS (SELECT 1 FROM record_interaction AS i WHERE NOT (i.system = 'mis' AND i.id_space = 'salesforce_case' AND i.source_key IN (SELECT _source_key FROM conforming))) THEN
INSERT INTO says_interaction (`interaction_key`, system, id_space, source_key, `customer_id`, `case_number`, `subject`, `status`, `opened_at`, `closed_at`)
SELECT i.*, c.`customer_id`, c.`case_number`, c.`subject`, c.`status`, c.`opened_at`, c.`closed_at`
FROM record_interaction AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.interaction` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('mis') AND NOT (i.system = 'mis' AND i.id_space = 'salesforce_case' AND i.source_key IN (SELECT _source_key FROM conforming));
END IF;
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_interaction AS
WITH candidate AS (
  SELECT
    c.`interaction_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`customer_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_customer_id`.`customer_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/salesforce_case' THEN 'gentrack_customer' END), '\x1f', c.`customer_id`))), 1, 32)
    )
  END AS `customer_key`,
    c.`case_number`,
    c.`subject`,
    c.`status`,
    c.`opened_at`,
    c.`closed_at`,
    CASE c.system WHEN 'mis' THEN 1 END AS rank
  FROM says_interaction AS c
  LEFT JOIN `project.identity.customer` AS `p_customer_id`
  ON `p_customer_id`.system = c.system
  AND `p_customer_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/salesforce_case' THEN 'gentrack_customer' END)
  AND `p_customer_id`.source_key = c.`customer_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`interaction_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN (
    SELECT CASE name WHEN 'from_mis_salesforce_case' THEN 'mis' END
    FROM `project.ledger.interaction`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_mis_salesforce_case')
    UNION ALL
    SELECT 'mis' FROM UNNEST([v_is_whole]) AS is_whole WHERE is_whole
    )
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`interaction_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`interaction_key` IS NULL THEN 'insert'
      WHEN w.`interaction_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`interaction_key` IS NULL) <> (w.`interaction_key` IS NULL)
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`case_number` IS DISTINCT FROM p.`case_number`
      OR w.`subject` IS DISTINCT FROM p.`subject`
      OR w.`status` IS DISTINCT FROM p.`status`
      OR w.`opened_at` IS DISTINCT FROM p.`opened_at`
      OR w.`closed_at` IS DISTINCT FROM p.`closed_at`
      AS is_event,
    (p.`interaction_key` IS NULL) <> (w.`interaction_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`case_number` IS DISTINCT FROM p.`case_number`
      OR w.`subject` IS DISTINCT FROM p.`subject`
      OR w.`status` IS DISTINCT FROM p.`status`
      OR w.`opened_at` IS DISTINCT FROM p.`opened_at`
      OR w.`closed_at` IS DISTINCT FROM p.`closed_at`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`interaction_key`,
    w.system AS source_system,
    w.`customer_key`,
    w.`case_number`,
    w.`subject`,
    w.`status`,
    w.`opened_at`,
    w.`closed_at`
  FROM affected_interaction AS a
  LEFT JOIN winner AS w ON w.`interaction_key` = a.`interaction_key`
  LEFT JOIN `project.common_model.interaction` AS p
    ON p.`interaction_key` = a.`interaction_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `interaction_key`, source_system, `customer_key`, `case_number`, `subject`, `status`, `opened_at`, `closed_at`
    FROM change_interaction
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of interaction break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`interaction_key`, ', ' ORDER BY `interaction_key` LIMIT 3))) AS told
    FROM (
      SELECT `interaction_key` FROM change_interaction WHERE is_change
      GROUP BY `interaction_key`
      HAVING COUNT(*) > 1
    )
  )
) AS 'Rule: a check of interaction is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_interaction AS
SELECT
  `interaction_key`,
  (SELECT change_number FROM `project.ledger.interaction` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `interaction_key`) AS change_number
FROM change_interaction
WHERE is_change;
INSERT INTO `project.change_log.interaction`
  (change_number, changed_at, operation, is_event, `interaction_key`, source_system, `customer_key`, `case_number`, `subject`, `status`, `opened_at`, `closed_at`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`interaction_key`, c.source_system, c.`customer_key`, c.`case_number`, c.`subject`, c.`status`, c.`opened_at`, c.`closed_at`
FROM numbered_interaction AS n
JOIN change_interaction AS c ON c.`interaction_key` = n.`interaction_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.interaction` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_interaction AS n
  JOIN change_interaction AS c ON c.`interaction_key` = n.`interaction_key`
) AS s
ON t.`interaction_key` = s.`interaction_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `customer_key` = s.`customer_key`, `case_number` = s.`case_number`, `subject` = s.`subject`, `status` = s.`status`, `opened_at` = s.`opened_at`, `closed_at` = s.`closed_at`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`interaction_key`, source_system, change_number, changed_at, `customer_key`, `case_number`, `subject`, `status`, `opened_at`, `closed_at`)
VALUES
  (s.`interaction_key`, s.source_system, s.change_number, v_changed_at, s.`customer_key`, s.`case_number`, s.`subject`, s.`status`, s.`opened_at`, s.`closed_at`);
UPDATE `project.ledger.interaction`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_interaction), changed_at = v_changed_at
WHERE name = 'entity';
-- Progress, in the same transaction as the data that it describes.
DELETE FROM `project.ledger.interaction` WHERE name = @mapping;
INSERT INTO `project.ledger.interaction`
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
  (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_interaction),
  (SELECT COUNTIF(is_change AND operation = 'update') FROM change_interaction),
  (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_interaction),
  (SELECT COUNTIF(is_change AND is_event) FROM change_interaction),
  (SELECT COUNTIF(is_contested) FROM change_interaction),
  v_followed,
  v_vanished,
  0,
  v_newly_bad;
COMMIT TRANSACTION;

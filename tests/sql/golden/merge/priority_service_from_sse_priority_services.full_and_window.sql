-- priority_service/from_sse_priority_services: batches 7, 8 of sse/priority_services, one transaction.
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
UPDATE `project.ledger.priority_service` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.priority_service` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_first_number = (SELECT change_number + 1 FROM `project.ledger.priority_service` WHERE name = 'entity');
-- Who had all before still has it while everything is read anew.
SET v_whole_at = COALESCE(
  (SELECT MIN(COALESCE(whole_at, batch)) FROM `project.ledger.priority_service` WHERE name = @mapping AND COALESCE(whole_at, batch) <= batch),
  8,
  1000000000000000
);
SET v_is_whole = v_whole_at <= 8;
SET v_changed_at = (
  SELECT GREATEST(CURRENT_TIMESTAMP(), MAX(changed_at))
  FROM (
    SELECT changed_at FROM `project.ledger.customer` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.priority_service` WHERE name = 'entity'
  )
);
SET v_salt = (SELECT salt FROM `project.identity.salt`);
ASSERT v_first_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';
-- Two rows of one picture of the source under one key of ours would become one without a sound. (Ranges are pictures
-- of several moments: what moved between them is in the catch-up, or no longer there.)
CREATE TEMP TABLE repeated AS
  SELECT _batch, _layer, _source_key
  FROM (
    SELECT 7 AS _batch, 0 AS _layer, CAST(`PsrId` AS STRING) AS _source_key
    FROM `project.staging.sse_priority_services__7`
    UNION ALL
    SELECT 8 AS _batch, 0 AS _layer, CAST(`PsrId` AS STRING) AS _source_key
    FROM `project.staging.sse_priority_services__8`
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
  `needs_code`,
  `details`,
  `may_be_shared`,
  `registered_on`,
  `review_on`,
  is_present
FROM (
  SELECT
    _batch,
    _layer,
    CAST(`PsrId` AS STRING) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    TRUE AS is_present,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    CustomerId                                                AS customer_id,
    REGEXP_REPLACE(TRIM(NeedsCode), r'^\d$', r'0\0')          AS needs_code,
    NULLIF(TRIM(Details), '')                                 AS details,
    COALESCE(UPPER(TRIM(ConsentGiven)) = 'Y', FALSE)          AS may_be_shared,
    RegisteredOn                                              AS registered_on,
    ReviewOn                                                  AS review_on
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      CAST(NULL AS BYTES) AS _order,
      FALSE AS _gone,
      `PsrId`,
      `CustomerId`,
      `NeedsCode`,
      `Details`,
      `ConsentGiven`,
      `RegisteredOn`,
      `ReviewOn`
    FROM `project.staging.sse_priority_services__7`
    UNION ALL
    SELECT
      8 AS _batch,
      0 AS _layer,
      CAST(NULL AS BYTES) AS _order,
      FALSE AS _gone,
      `PsrId`,
      `CustomerId`,
      `NeedsCode`,
      `Details`,
      `ConsentGiven`,
      `RegisteredOn`,
      `ReviewOn`
    FROM `project.staging.sse_priority_services__8`
  ) AS `sse_priority_services`
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
      WHEN i.`needs_code` IS NULL THEN 'needs_code is NULL'
      WHEN i.`may_be_shared` IS NULL THEN 'may_be_shared is NULL'
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
  LEFT JOIN repeated AS r ON r._batch = i._batch AND r._layer = i._layer AND r._source_key = i._source_key
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM `project.quarantine.sse_priority_services`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`customer_id`, i.`needs_code`, i.`details`, i.`may_be_shared`, i.`registered_on`, i.`review_on`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
SET v_newly_bad = v_bad;
IF v_bad > 0 THEN
  ASSERT (
    SELECT IF(
      v_bad <= @quarantine_share * GREATEST(taken, known),
      TRUE,
      ERROR(CONCAT('Rule: ', CAST(v_bad AS STRING), ' of ', CAST(GREATEST(taken, known) AS STRING), ' rows of sse/priority_services cannot be merged, more than its contract allows: ', rules))
    )
    FROM (
      SELECT
        (SELECT COUNT(*) FROM incoming) AS taken,
        (
          SELECT COUNT(*) FROM `project.conformed.priority_service`
          WHERE system = 'sse' AND id_space = 'priority_services'
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
    i.`needs_code`,
    i.`details`,
    i.`may_be_shared`,
    i.`registered_on`,
    i.`review_on`,
    i.`same_as`,
    i.`taken_over_at`,
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`customer_id` IS DISTINCT FROM i.`customer_id`
      OR t.`needs_code` IS DISTINCT FROM i.`needs_code`
      OR t.`details` IS DISTINCT FROM i.`details`
      OR t.`may_be_shared` IS DISTINCT FROM i.`may_be_shared`
      OR t.`registered_on` IS DISTINCT FROM i.`registered_on`
      OR t.`review_on` IS DISTINCT FROM i.`review_on`
      OR t.`same_as` IS DISTINCT FROM i.`same_as`
      OR t.`taken_over_at` IS DISTINCT FROM i.`taken_over_at`
      AS _differs
  FROM incoming AS i
  FULL OUTER JOIN (
    SELECT * FROM `project.conformed.priority_service` AS c
    WHERE c.system = 'sse' AND c.id_space = 'priority_services'
  ) AS t ON t.source_key = i._source_key
  LEFT JOIN seen AS k ON k._source_key = COALESCE(i._source_key, t.source_key)
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
MERGE `project.conformed.priority_service` AS t
USING conforming AS s
ON t.system = 'sse' AND t.id_space = 'priority_services' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `customer_id` = s.`customer_id`, `needs_code` = s.`needs_code`, `details` = s.`details`, `may_be_shared` = s.`may_be_shared`, `registered_on` = s.`registered_on`, `review_on` = s.`review_on`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `customer_id`, `needs_code`, `details`, `may_be_shared`, `registered_on`, `review_on`, `same_as`, `taken_over_at`)
VALUES
  ('sse', 'priority_services', s._source_key, s._batch, s.is_present, s.`customer_id`, s.`needs_code`, s.`details`, s.`may_be_shared`, s.`registered_on`, s.`review_on`, s.`same_as`, s.`taken_over_at`);
IF EXISTS (SELECT 1 FROM `project.quarantine.sse_priority_services` WHERE mapping = @mapping) THEN
  DELETE FROM `project.quarantine.sse_priority_services`
  WHERE mapping = @mapping
    AND (
      (source_key IS NULL AND (TRUE))
      OR source_key IN (SELECT _source_key FROM incoming)
      OR source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL)
      OR source_key NOT IN (SELECT _source_key FROM seen)
    );
END IF;
IF v_bad > 0 THEN
  INSERT INTO `project.quarantine.sse_priority_services` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
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
    CAST(`PsrId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`PsrId` AS `PsrId`, `CustomerId` AS `CustomerId`, `NeedsCode` AS `NeedsCode`, `Details` AS `Details`, `ConsentGiven` AS `ConsentGiven`, `RegisteredOn` AS `RegisteredOn`, `ReviewOn` AS `ReviewOn`)) AS _raw
  FROM `project.staging.sse_priority_services__7`
  UNION ALL
  SELECT
    8 AS _batch,
    0 AS _layer,
    CAST(`PsrId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`PsrId` AS `PsrId`, `CustomerId` AS `CustomerId`, `NeedsCode` AS `NeedsCode`, `Details` AS `Details`, `ConsentGiven` AS `ConsentGiven`, `RegisteredOn` AS `RegisteredOn`, `ReviewOn` AS `ReviewOn`)) AS _raw
  FROM `project.staging.sse_priority_services__8`
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._batch = b._batch AND s._layer = b._layer
;
END IF;
INSERT INTO `project.identity.priority_service`
  (system, id_space, source_key, own_key, first_number, `priority_service_key`, is_linked)
SELECT
  'sse',
  'priority_services',
  c._source_key,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'priority_service', '\x1f', 'sse', '\x1f', 'priority_services', '\x1f', c._source_key))), 1, 32),
  v_first_number,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'priority_service', '\x1f', 'sse', '\x1f', 'priority_services', '\x1f', c._source_key))), 1, 32),
  FALSE
FROM conforming AS c
LEFT JOIN `project.identity.priority_service` AS i
  ON i.system = 'sse' AND i.id_space = 'priority_services' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE affected_priority_service AS
SELECT i.`priority_service_key`
FROM conforming AS c
JOIN `project.identity.priority_service` AS i
  ON i.system = 'sse' AND i.id_space = 'priority_services' AND i.source_key = c._source_key
;
-- priority_service: every record that could speak for an affected key.
CREATE TEMP TABLE record_priority_service AS
SELECT i.`priority_service_key`, i.system, i.id_space, i.source_key
FROM affected_priority_service AS a
JOIN `project.identity.priority_service` AS i ON i.`priority_service_key` = a.`priority_service_key`;
CREATE TEMP TABLE says_priority_service AS
SELECT i.*, c.`customer_id`, c.`needs_code`, c.`details`, c.`may_be_shared`, c.`registered_on`, c.`review_on`
FROM record_priority_service AS i
JOIN conforming AS c ON c._source_key = i.source_key
WHERE i.system = 'sse' AND i.id_space = 'priority_services' AND NOT c._is_gone AND c.is_present;
IF EXISTS (SELECT 1 FROM record_priority_service AS i WHERE NOT (i.system = 'sse' AND i.id_space = 'priority_services' AND i.source_key IN (SELECT _source_key FROM conforming))) THEN
INSERT INTO says_priority_service (`priority_service_key`, system, id_space, source_key, `customer_id`, `needs_code`, `details`, `may_be_shared`, `registered_on`, `review_on`)
SELECT i.*, c.`customer_id`, c.`needs_code`, c.`details`, c.`may_be_shared`, c.`registered_on`, c.`review_on`
FROM record_priority_service AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.priority_service` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse') AND NOT (i.system = 'sse' AND i.id_space = 'priority_services' AND i.source_key IN (SELECT _source_key FROM conforming));
END IF;
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_priority_service AS
WITH candidate AS (
  SELECT
    c.`priority_service_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`customer_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_customer_id`.`customer_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/priority_services' THEN 'customer' END), '\x1f', c.`customer_id`))), 1, 32)
    )
  END AS `customer_key`,
    c.`needs_code`,
    c.`details`,
    c.`may_be_shared`,
    c.`registered_on`,
    c.`review_on`,
    CASE c.system WHEN 'sse' THEN 1 END AS rank
  FROM says_priority_service AS c
  LEFT JOIN `project.identity.customer` AS `p_customer_id`
  ON `p_customer_id`.system = c.system
  AND `p_customer_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/priority_services' THEN 'customer' END)
  AND `p_customer_id`.source_key = c.`customer_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`priority_service_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN (
    SELECT CASE name WHEN 'from_sse_priority_services' THEN 'sse' END
    FROM `project.ledger.priority_service`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_priority_services')
    UNION ALL
    SELECT 'sse' FROM UNNEST([v_is_whole]) AS is_whole WHERE is_whole
    )
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`priority_service_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`priority_service_key` IS NULL THEN 'insert'
      WHEN w.`priority_service_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    FALSE AS is_event,
    (p.`priority_service_key` IS NULL) <> (w.`priority_service_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`needs_code` IS DISTINCT FROM p.`needs_code`
      OR w.`details` IS DISTINCT FROM p.`details`
      OR w.`may_be_shared` IS DISTINCT FROM p.`may_be_shared`
      OR w.`registered_on` IS DISTINCT FROM p.`registered_on`
      OR w.`review_on` IS DISTINCT FROM p.`review_on`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`priority_service_key`,
    w.system AS source_system,
    w.`customer_key`,
    w.`needs_code`,
    w.`details`,
    w.`may_be_shared`,
    w.`registered_on`,
    w.`review_on`
  FROM affected_priority_service AS a
  LEFT JOIN winner AS w ON w.`priority_service_key` = a.`priority_service_key`
  LEFT JOIN `project.common_model.priority_service` AS p
    ON p.`priority_service_key` = a.`priority_service_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `priority_service_key`, source_system, `customer_key`, `needs_code`, `details`, `may_be_shared`, `registered_on`, `review_on`
    FROM change_priority_service
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of priority_service break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`priority_service_key`, ', ' ORDER BY `priority_service_key` LIMIT 3))) AS told
    FROM (
      SELECT `priority_service_key` FROM change_priority_service WHERE is_change
      GROUP BY `priority_service_key`
      HAVING COUNT(*) > 1
    )
  )
) AS 'Rule: a check of priority_service is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_priority_service AS
SELECT
  `priority_service_key`,
  (SELECT change_number FROM `project.ledger.priority_service` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `priority_service_key`) AS change_number
FROM change_priority_service
WHERE is_change;
INSERT INTO `project.change_log.priority_service`
  (change_number, changed_at, operation, is_event, `priority_service_key`, source_system, `customer_key`, `needs_code`, `details`, `may_be_shared`, `registered_on`, `review_on`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`priority_service_key`, c.source_system, c.`customer_key`, c.`needs_code`, c.`details`, c.`may_be_shared`, c.`registered_on`, c.`review_on`
FROM numbered_priority_service AS n
JOIN change_priority_service AS c ON c.`priority_service_key` = n.`priority_service_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.priority_service` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_priority_service AS n
  JOIN change_priority_service AS c ON c.`priority_service_key` = n.`priority_service_key`
) AS s
ON t.`priority_service_key` = s.`priority_service_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `customer_key` = s.`customer_key`, `needs_code` = s.`needs_code`, `details` = s.`details`, `may_be_shared` = s.`may_be_shared`, `registered_on` = s.`registered_on`, `review_on` = s.`review_on`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`priority_service_key`, source_system, change_number, changed_at, `customer_key`, `needs_code`, `details`, `may_be_shared`, `registered_on`, `review_on`)
VALUES
  (s.`priority_service_key`, s.source_system, s.change_number, v_changed_at, s.`customer_key`, s.`needs_code`, s.`details`, s.`may_be_shared`, s.`registered_on`, s.`review_on`);
UPDATE `project.ledger.priority_service`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_priority_service), changed_at = v_changed_at
WHERE name = 'entity';
-- Progress, in the same transaction as the data that it describes.
DELETE FROM `project.ledger.priority_service` WHERE name = @mapping;
INSERT INTO `project.ledger.priority_service`
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
  (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_priority_service),
  (SELECT COUNTIF(is_change AND operation = 'update') FROM change_priority_service),
  (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_priority_service),
  (SELECT COUNTIF(is_change AND is_event) FROM change_priority_service),
  (SELECT COUNTIF(is_contested) FROM change_priority_service),
  v_followed,
  v_vanished,
  0,
  v_newly_bad;
COMMIT TRANSACTION;

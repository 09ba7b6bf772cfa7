-- customer/from_sse_customer: batches 7, 8 of sse/customer, one transaction.
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
UPDATE `project.ledger.agreement` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.bill` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.contact` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.contact_preference` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.interaction` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.meter` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.meter_reading` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.payment` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.priority_service` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.supply_point` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.customer` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_first_number = (SELECT change_number + 1 FROM `project.ledger.customer` WHERE name = 'entity');
-- Who had all before still has it while everything is read anew.
SET v_whole_at = COALESCE(
  (SELECT MIN(COALESCE(whole_at, batch)) FROM `project.ledger.customer` WHERE name = @mapping AND COALESCE(whole_at, batch) <= batch),
  8,
  1000000000000000
);
SET v_is_whole = v_whole_at <= 8;
SET v_changed_at = (
  SELECT GREATEST(CURRENT_TIMESTAMP(), MAX(changed_at))
  FROM (
    SELECT changed_at FROM `project.ledger.account` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.agreement` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.bill` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.contact` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.contact_preference` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.customer` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.interaction` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.meter` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.meter_reading` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.payment` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.priority_service` WHERE name = 'entity'
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
    SELECT 7 AS _batch, 0 AS _layer, CAST(`CustomerId` AS STRING) AS _source_key
    FROM `project.staging.sse_customer__7`
    UNION ALL
    SELECT 8 AS _batch, 0 AS _layer, CAST(`CustomerId` AS STRING) AS _source_key
    FROM `project.staging.sse_customer__8`
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
    CAST(`CustomerId` AS STRING) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    NULLIF(TRIM(FirstName), '')               AS given_name,
    NULLIF(TRIM(Surname), '')                 AS family_name,
    NULLIF(TRIM(Email), '')                   AS email,
    NULLIF(DateOfBirth, DATE '1753-01-01')    AS birth_date,
    TIMESTAMP(CreatedAt, 'Europe/London')     AS registered_at,
    Status <> 'X'                             AS is_present
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `CustomerId`,
      `FirstName`,
      `Surname`,
      `Email`,
      `DateOfBirth`,
      `CreatedAt`,
      `Status`,
      `RowVer`
    FROM `project.staging.sse_customer__7`
    UNION ALL
    SELECT
      8 AS _batch,
      0 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `CustomerId`,
      `FirstName`,
      `Surname`,
      `Email`,
      `DateOfBirth`,
      `CreatedAt`,
      `Status`,
      `RowVer`
    FROM `project.staging.sse_customer__8`
  ) AS `sse_customer`
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
    FROM `project.quarantine.sse_customer`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`given_name`, i.`family_name`, i.`email`, i.`birth_date`, i.`registered_at`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
SET v_newly_bad = v_bad;
IF v_bad > 0 THEN
  ASSERT (
    SELECT IF(
      v_bad <= @quarantine_share * GREATEST(taken, known),
      TRUE,
      ERROR(CONCAT('Rule: ', CAST(v_bad AS STRING), ' of ', CAST(GREATEST(taken, known) AS STRING), ' rows of sse/customer cannot be merged, more than its contract allows: ', rules))
    )
    FROM (
      SELECT
        (SELECT COUNT(*) FROM incoming) AS taken,
        (
          SELECT COUNT(*) FROM `project.conformed.customer`
          WHERE system = 'sse' AND id_space = 'customer'
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
-- Who is there: judged by batch 8, the last that looked at every key. Absence there beats a row. Who is
-- kept aside is there.
CREATE TEMP TABLE seen AS
SELECT CAST(`CustomerId` AS STRING) AS _source_key FROM `project.staging.sse_customer__8_keys`
UNION DISTINCT
SELECT _source_key FROM incoming WHERE _batch > 8
UNION DISTINCT
SELECT _source_key FROM bad WHERE _batch > 8 AND _source_key IS NOT NULL
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
    i.`given_name`,
    i.`family_name`,
    i.`email`,
    i.`birth_date`,
    i.`registered_at`,
    i.`same_as`,
    i.`taken_over_at`,
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`given_name` IS DISTINCT FROM i.`given_name`
      OR t.`family_name` IS DISTINCT FROM i.`family_name`
      OR t.`email` IS DISTINCT FROM i.`email`
      OR t.`birth_date` IS DISTINCT FROM i.`birth_date`
      OR t.`registered_at` IS DISTINCT FROM i.`registered_at`
      OR t.`same_as` IS DISTINCT FROM i.`same_as`
      OR t.`taken_over_at` IS DISTINCT FROM i.`taken_over_at`
      AS _differs
  FROM incoming AS i
  FULL OUTER JOIN (
    SELECT * FROM `project.conformed.customer` AS c
    WHERE c.system = 'sse' AND c.id_space = 'customer'
  ) AS t ON t.source_key = i._source_key
  LEFT JOIN seen AS k ON k._source_key = COALESCE(i._source_key, t.source_key)
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
MERGE `project.conformed.customer` AS t
USING conforming AS s
ON t.system = 'sse' AND t.id_space = 'customer' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `given_name` = s.`given_name`, `family_name` = s.`family_name`, `email` = s.`email`, `birth_date` = s.`birth_date`, `registered_at` = s.`registered_at`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`, `same_as`, `taken_over_at`)
VALUES
  ('sse', 'customer', s._source_key, s._batch, s.is_present, s.`given_name`, s.`family_name`, s.`email`, s.`birth_date`, s.`registered_at`, s.`same_as`, s.`taken_over_at`);
IF EXISTS (SELECT 1 FROM `project.quarantine.sse_customer` WHERE mapping = @mapping) THEN
  DELETE FROM `project.quarantine.sse_customer`
  WHERE mapping = @mapping
    AND (
      (source_key IS NULL AND (batch >= 7))
      OR source_key IN (SELECT _source_key FROM incoming)
      OR source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL)
      OR source_key NOT IN (SELECT _source_key FROM seen)
    );
END IF;
IF v_bad > 0 THEN
  INSERT INTO `project.quarantine.sse_customer` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
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
    CAST(`CustomerId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`CustomerId` AS `CustomerId`, `FirstName` AS `FirstName`, `Surname` AS `Surname`, `Email` AS `Email`, `DateOfBirth` AS `DateOfBirth`, `CreatedAt` AS `CreatedAt`, `Status` AS `Status`)) AS _raw
  FROM `project.staging.sse_customer__7`
  UNION ALL
  SELECT
    8 AS _batch,
    0 AS _layer,
    CAST(`CustomerId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`CustomerId` AS `CustomerId`, `FirstName` AS `FirstName`, `Surname` AS `Surname`, `Email` AS `Email`, `DateOfBirth` AS `DateOfBirth`, `CreatedAt` AS `CreatedAt`, `Status` AS `Status`)) AS _raw
  FROM `project.staging.sse_customer__8`
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._batch = b._batch AND s._layer = b._layer
;
END IF;
CREATE TEMP TABLE stirred_customer (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
INSERT INTO `project.identity.customer`
  (system, id_space, source_key, own_key, first_number, `customer_key`, is_linked)
SELECT
  'sse',
  'customer',
  c._source_key,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', 'sse', '\x1f', 'customer', '\x1f', c._source_key))), 1, 32),
  v_first_number,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', 'sse', '\x1f', 'customer', '\x1f', c._source_key))), 1, 32),
  FALSE
FROM conforming AS c
LEFT JOIN `project.identity.customer` AS i
  ON i.system = 'sse' AND i.id_space = 'customer' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE joined_anew (`customer_key` STRING);
IF EXISTS (
  SELECT 1
  FROM conforming AS c
  JOIN `project.identity.customer` AS i
    ON i.link_system = 'sse' AND i.link_id_space = 'customer' AND i.link_key = c._source_key
  WHERE NOT c._is_known
) THEN
  -- From each record that links to a known one, step by step to the end; round a cycle it comes back to itself.
  CREATE TEMP TABLE walk AS
  WITH RECURSIVE link AS (
    SELECT CONCAT(i.system, '/', i.id_space, '/', i.source_key) AS node, CONCAT(i.link_system, '/', i.link_id_space, '/', i.link_key) AS target
    FROM `project.identity.customer` AS i
    JOIN `project.identity.customer` AS t
      ON t.system = i.link_system AND t.id_space = i.link_id_space AND t.source_key = i.link_key
  ), step AS (
    SELECT node AS start, target AS here, 1 AS depth FROM link
    UNION ALL
    SELECT s.start, l.target, s.depth + 1
    FROM step AS s
    JOIN link AS l ON l.node = s.here
    WHERE s.here <> s.start AND s.depth <= 8
  )
  SELECT start, here, depth FROM step;
  -- A record whose link holds, and where its chain ends: links on a cycle do not hold, nor those too far from the end.
  CREATE TEMP TABLE chained AS
  WITH cycle AS (
    SELECT DISTINCT start FROM walk WHERE here = start
  )
  SELECT w.start AS node, w.here AS root
  FROM walk AS w
  LEFT JOIN cycle AS own ON own.start = w.start
  LEFT JOIN cycle AS c ON c.start = w.here
  WHERE own.start IS NULL
  QUALIFY w.depth <= 8
    AND ROW_NUMBER() OVER (PARTITION BY w.start ORDER BY c.start IS NULL, IF(c.start IS NULL, -w.depth, w.depth)) = 1;
  CREATE TEMP TABLE component AS
  SELECT
    *,
    FIRST_VALUE(own_key) OVER (PARTITION BY COALESCE(root, node) ORDER BY first_number, own_key) AS key_after
  FROM (
    SELECT i.*, CONCAT(i.system, '/', i.id_space, '/', i.source_key) AS node, c.root, i.`customer_key` AS key_before
    FROM `project.identity.customer` AS i
    LEFT JOIN chained AS c ON c.node = CONCAT(i.system, '/', i.id_space, '/', i.source_key)
    WHERE i.is_linked
      OR i.link_key IS NOT NULL
      OR i.own_key <> i.`customer_key`
      OR CONCAT(i.system, '/', i.id_space, '/', i.source_key) IN (SELECT root FROM chained)
  );
  -- Links that hold since now; a customer may be spoken for by another system from now on.
  CREATE TEMP TABLE link_news AS
  SELECT
    c.key_before,
    c.key_after,
    c.system,
    c.taken_over_at,
    c.first_number,
    c.own_key,
    t.`customer_key` AS target_key_before,
    t.system AS target_system,
    t.id_space AS target_id_space,
    t.source_key AS target_key
  FROM component AS c
  JOIN `project.identity.customer` AS t
    ON t.system = c.link_system AND t.id_space = c.link_id_space AND t.source_key = c.link_key
  WHERE c.root IS NOT NULL AND (NOT c.is_linked);
CREATE TEMP TABLE link_decision AS
  SELECT n.key_after AS customer_key, CASE WHEN n.taken_over_at IS NOT NULL THEN n.system ELSE COALESCE(m.system, t.system) END AS system
  FROM link_news AS n
  LEFT JOIN `project.migration.authority` AS m ON m.customer_key = n.target_key_before AND m.until IS NULL
  LEFT JOIN `project.conformed.customer` AS t
    ON t.system = n.target_system AND t.id_space = n.target_id_space AND t.source_key = n.target_key AND t.is_present
  LEFT JOIN (SELECT DISTINCT key_before FROM link_news) AS onward ON onward.key_before = n.target_key_before
  WHERE n.taken_over_at IS NOT NULL OR m.system IS NOT NULL OR t.system IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY n.key_after ORDER BY n.taken_over_at IS NULL, n.taken_over_at DESC, onward.key_before IS NOT NULL, n.first_number, n.own_key
  ) = 1;
UPDATE `project.migration.authority` AS m
SET until = v_changed_at
WHERE m.until IS NULL
  AND EXISTS (SELECT 1 FROM link_decision AS d WHERE d.customer_key = m.customer_key AND d.system <> m.system);
INSERT INTO `project.migration.authority` (customer_key, system, since, decided_by, move_id)
SELECT d.customer_key, d.system, v_changed_at, 'link', NULL
FROM link_decision AS d
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = d.customer_key AND m.until IS NULL
WHERE m.customer_key IS NULL;
  INSERT INTO joined_anew (`customer_key`)
  SELECT key_before FROM component WHERE key_before <> key_after OR is_linked <> (root IS NOT NULL)
  UNION DISTINCT
  SELECT key_after FROM component WHERE key_before <> key_after OR is_linked <> (root IS NOT NULL)
  UNION DISTINCT
  SELECT key_after FROM link_news;
  MERGE `project.identity.customer` AS t
  USING (
    SELECT
      *,
      CASE
        WHEN link_problem IN ('unreadable', 'own system', 'unknown system') THEN link_problem
        WHEN root IS NOT NULL THEN NULL
        WHEN node IN (SELECT start FROM walk WHERE here = start) THEN 'cycle'
        WHEN node IN (SELECT start FROM walk WHERE depth > 8) THEN 'too long'
      END AS problem_after
    FROM component
  ) AS s
  ON t.system = s.system AND t.id_space = s.id_space AND t.source_key = s.source_key
  WHEN MATCHED AND (
    s.key_before <> s.key_after OR s.is_linked <> (s.root IS NOT NULL) OR s.link_problem IS DISTINCT FROM s.problem_after
  ) THEN UPDATE SET `customer_key` = s.key_after, is_linked = s.root IS NOT NULL, link_problem = s.problem_after;
  INSERT INTO stirred_customer (system, id_space, source_key, is_rekeyed)
  SELECT i.system, i.id_space, i.source_key, COALESCE(c.key_before <> c.key_after, FALSE)
  FROM `project.identity.customer` AS i
  JOIN joined_anew AS j ON j.`customer_key` = i.`customer_key`
  LEFT JOIN component AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key;
END IF;
CREATE TEMP TABLE affected_customer AS
SELECT i.`customer_key`
FROM conforming AS c
JOIN `project.identity.customer` AS i
  ON i.system = 'sse' AND i.id_space = 'customer' AND i.source_key = c._source_key
UNION DISTINCT
SELECT `customer_key` FROM joined_anew
;
-- Once all of this system's rows are there, no other system's speak for its customers in their place.
CREATE TEMP TABLE replaced (`customer_key` STRING);
IF v_is_whole AND NOT EXISTS (
  SELECT 1 FROM `project.ledger.customer`
  WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_customer')
) THEN
  INSERT INTO replaced (`customer_key`)
  SELECT DISTINCT i.`customer_key`
  FROM `project.conformed.customer` AS c
  JOIN `project.identity.customer` AS i
    ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
  JOIN `project.common_model.customer` AS p ON p.`customer_key` = i.`customer_key`
  JOIN `project.migration.authority` AS m ON m.customer_key = i.`customer_key` AND m.until IS NULL
  WHERE c.system <> 'sse' AND m.system = 'sse';
  INSERT INTO affected_customer (`customer_key`)
  SELECT `customer_key` FROM replaced
  EXCEPT DISTINCT
  SELECT `customer_key` FROM affected_customer;
END IF;
-- customer: every record that could speak for an affected key.
CREATE TEMP TABLE record_customer AS
SELECT i.`customer_key`, i.system, i.id_space, i.source_key
FROM affected_customer AS a
JOIN `project.identity.customer` AS i ON i.`customer_key` = a.`customer_key`;
CREATE TEMP TABLE undecided AS
SELECT i.customer_key, IF(ANY_VALUE(m.system) IS NULL, 'precedence', 'unlink') AS decided_by
FROM record_customer AS i
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = i.customer_key AND m.until IS NULL
GROUP BY i.customer_key
HAVING COUNT(m.system) = 0 OR COUNTIF(i.system = m.system) = 0;
IF EXISTS (SELECT 1 FROM undecided) THEN
CREATE TEMP TABLE first_decision AS
SELECT
  customer_key,
  CASE rank WHEN 1 THEN 'sse' WHEN 2 THEN 'mis' WHEN 3 THEN 'platform' END AS system,
  decided_by
FROM (
  SELECT
    u.customer_key,
    u.decided_by,
    MIN(CASE c.system WHEN 'sse' THEN 1 WHEN 'mis' THEN 2 WHEN 'platform' THEN 3 END) AS rank
  FROM undecided AS u
  JOIN record_customer AS i ON i.customer_key = u.customer_key
  JOIN `project.conformed.customer` AS c
    ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
    AND c.system IN ('sse', 'mis', 'platform')
  GROUP BY u.customer_key, u.decided_by
);
IF EXISTS (SELECT 1 FROM first_decision WHERE decided_by = 'unlink') THEN
UPDATE `project.migration.authority` AS m
SET until = v_changed_at
WHERE m.until IS NULL
  AND EXISTS (SELECT 1 FROM first_decision AS d WHERE d.customer_key = m.customer_key AND d.system <> m.system);
END IF;
INSERT INTO `project.migration.authority` (customer_key, system, since, decided_by, move_id)
SELECT d.customer_key, d.system, v_changed_at, d.decided_by, NULL
FROM first_decision AS d
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = d.customer_key AND m.until IS NULL
WHERE m.customer_key IS NULL;
INSERT INTO stirred_customer (system, id_space, source_key, is_rekeyed)
SELECT system, id_space, source_key, FALSE
FROM (
  SELECT
    i.system,
    i.id_space,
    i.source_key,
    d.decided_by = 'unlink'
      OR MIN(i.system) OVER (PARTITION BY i.customer_key) <> MAX(i.system) OVER (PARTITION BY i.customer_key) AS is_stirred
  FROM first_decision AS d
  JOIN record_customer AS i ON i.customer_key = d.customer_key
)
WHERE is_stirred;
END IF;
CREATE TEMP TABLE says_customer AS
SELECT i.*, c.`given_name`, c.`family_name`, c.`email`, c.`birth_date`, c.`registered_at`
FROM record_customer AS i
JOIN conforming AS c ON c._source_key = i.source_key
WHERE i.system = 'sse' AND i.id_space = 'customer' AND NOT c._is_gone AND c.is_present;
IF EXISTS (SELECT 1 FROM record_customer AS i WHERE NOT (i.system = 'sse' AND i.id_space = 'customer' AND i.source_key IN (SELECT _source_key FROM conforming))) THEN
INSERT INTO says_customer (`customer_key`, system, id_space, source_key, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
SELECT i.*, c.`given_name`, c.`family_name`, c.`email`, c.`birth_date`, c.`registered_at`
FROM record_customer AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.customer` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse', 'mis', 'platform') AND NOT (i.system = 'sse' AND i.id_space = 'customer' AND i.source_key IN (SELECT _source_key FROM conforming));
END IF;
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_customer AS
WITH candidate AS (
  SELECT
    c.`customer_key`,
    c.system,
    c.id_space,
    c.source_key,
    c.`given_name`,
    c.`family_name`,
    c.`email`,
    c.`birth_date`,
    c.`registered_at`,
    CASE c.system WHEN 'sse' THEN 1 WHEN 'mis' THEN 2 WHEN 'platform' THEN 3 END AS rank
  FROM says_customer AS c
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`customer_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN (
    SELECT CASE name WHEN 'from_mis_gentrack_customer' THEN 'mis' WHEN 'from_platform_customer' THEN 'platform' WHEN 'from_sse_customer' THEN 'sse' END
    FROM `project.ledger.customer`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_mis_gentrack_customer', 'from_platform_customer', 'from_sse_customer')
    UNION ALL
    SELECT 'sse' FROM UNNEST([v_is_whole]) AS is_whole WHERE is_whole
    )
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`customer_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`customer_key` IS NULL THEN 'insert'
      WHEN w.`customer_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`customer_key` IS NULL) <> (w.`customer_key` IS NULL)
      OR w.`given_name` IS DISTINCT FROM p.`given_name`
      OR w.`family_name` IS DISTINCT FROM p.`family_name`
      OR w.`email` IS DISTINCT FROM p.`email`
      OR w.`registered_at` IS DISTINCT FROM p.`registered_at`
      AS is_event,
    (p.`customer_key` IS NULL) <> (w.`customer_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`given_name` IS DISTINCT FROM p.`given_name`
      OR w.`family_name` IS DISTINCT FROM p.`family_name`
      OR w.`email` IS DISTINCT FROM p.`email`
      OR w.`birth_date` IS DISTINCT FROM p.`birth_date`
      OR w.`registered_at` IS DISTINCT FROM p.`registered_at`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`customer_key`,
    w.system AS source_system,
    w.`given_name`,
    w.`family_name`,
    w.`email`,
    w.`birth_date`,
    w.`registered_at`
  FROM affected_customer AS a
  LEFT JOIN winner AS w ON w.`customer_key` = a.`customer_key`
  LEFT JOIN `project.common_model.customer` AS p
    ON p.`customer_key` = a.`customer_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- (Whom sse has, and says that he does not count, is not missing there.)
IF EXISTS (SELECT 1 FROM replaced) THEN
ASSERT (
  SELECT IF(
    gone <= known * @replaced_share,
    TRUE,
    ERROR(CONCAT('Rule: ', CAST(gone AS STRING), ' of ', CAST(known AS STRING), ' rows that other systems have of customers of sse would go, because sse/customer has none of them: link them, or raise deletes_at_most of sse/customer for this merge'))
  )
  FROM (
    SELECT
      (
        SELECT COUNT(*)
        FROM change_customer AS d
        JOIN replaced AS r ON r.`customer_key` = d.`customer_key`
        LEFT JOIN (
          SELECT DISTINCT i.`customer_key`
          FROM record_customer AS i
          JOIN `project.conformed.customer` AS c
            ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
          WHERE i.system = 'sse'
        ) AS own ON own.`customer_key` = d.`customer_key`
        WHERE d.is_change AND d.operation = 'delete' AND own.`customer_key` IS NULL
      ) AS gone,
      (SELECT COUNT(*) FROM replaced) AS known
  )
) AS 'Rule: too many rows of other systems would go';
END IF;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `customer_key`, source_system, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`
    FROM change_customer
    WHERE is_change AND operation <> 'delete'
  ), speaking AS (
    SELECT customer_key, system FROM `project.migration.authority` WHERE until IS NULL
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of customer break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`customer_key`, ', ' ORDER BY `customer_key` LIMIT 3))) AS told
    FROM (
      SELECT `customer_key` FROM change_customer WHERE is_change
      GROUP BY `customer_key`
      HAVING COUNT(*) > 1
    )
    UNION ALL
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of customer break one_system_speaks, a customer for whom no system speaks, or two, would follow no move: ', STRING_AGG(`customer_key`, ', ' ORDER BY `customer_key` LIMIT 3))) AS told
    FROM (
      SELECT c.customer_key
      FROM changed AS c
      LEFT JOIN speaking AS s ON s.customer_key = c.customer_key
      GROUP BY c.customer_key
      HAVING COUNT(s.system) <> 1
    )
  )
) AS 'Rule: a check of customer is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_customer AS
SELECT
  `customer_key`,
  (SELECT change_number FROM `project.ledger.customer` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `customer_key`) AS change_number
FROM change_customer
WHERE is_change;
INSERT INTO `project.change_log.customer`
  (change_number, changed_at, operation, is_event, `customer_key`, source_system, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`customer_key`, c.source_system, c.`given_name`, c.`family_name`, c.`email`, c.`birth_date`, c.`registered_at`
FROM numbered_customer AS n
JOIN change_customer AS c ON c.`customer_key` = n.`customer_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.customer` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_customer AS n
  JOIN change_customer AS c ON c.`customer_key` = n.`customer_key`
) AS s
ON t.`customer_key` = s.`customer_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `given_name` = s.`given_name`, `family_name` = s.`family_name`, `email` = s.`email`, `birth_date` = s.`birth_date`, `registered_at` = s.`registered_at`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`customer_key`, source_system, change_number, changed_at, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
VALUES
  (s.`customer_key`, s.source_system, s.change_number, v_changed_at, s.`given_name`, s.`family_name`, s.`email`, s.`birth_date`, s.`registered_at`);
UPDATE `project.ledger.customer`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_customer), changed_at = v_changed_at
WHERE name = 'entity';
IF EXISTS (SELECT 1 FROM stirred_customer) THEN
CREATE TEMP TABLE stirred_account (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
CREATE TEMP TABLE keyed_account AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`account_key` AS key_before,
  i.`account_key` AS key_after
FROM `project.conformed.account` AS c
JOIN stirred_customer AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END) AND s.source_key = c.`customer_id`
JOIN `project.identity.account` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
;
IF EXISTS (SELECT 1 FROM keyed_account) THEN
  CREATE TEMP TABLE affected_account AS
  SELECT key_before AS `account_key` FROM keyed_account
  UNION DISTINCT
  SELECT key_after FROM keyed_account;
-- account: every record that could speak for an affected key.
CREATE TEMP TABLE record_account AS
SELECT i.`account_key`, i.system, i.id_space, i.source_key
FROM affected_account AS a
JOIN `project.identity.account` AS i ON i.`account_key` = a.`account_key`;
CREATE TEMP TABLE says_account AS
SELECT i.*, c.`customer_id`, c.`account_number`, c.`balance_gbp`, c.`opened_on`, c.`closed_on`, c.`address`, c.`postcode`
FROM record_account AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.account` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse', 'mis', 'platform');
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_account AS
WITH candidate AS (
  SELECT
    c.`account_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`customer_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_customer_id`.`customer_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END), '\x1f', c.`customer_id`))), 1, 32)
    )
  END AS `customer_key`,
    c.`account_number`,
    c.`balance_gbp`,
    c.`opened_on`,
    c.`closed_on`,
    c.`address`,
    c.`postcode`,
    CASE c.system WHEN 'sse' THEN 1 WHEN 'mis' THEN 2 WHEN 'platform' THEN 3 END AS rank
  FROM says_account AS c
  LEFT JOIN `project.identity.customer` AS `p_customer_id`
  ON `p_customer_id`.system = c.system
  AND `p_customer_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END)
  AND `p_customer_id`.source_key = c.`customer_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`account_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN (
    SELECT CASE name WHEN 'from_mis_gentrack_account' THEN 'mis' WHEN 'from_platform_account' THEN 'platform' WHEN 'from_sse_account' THEN 'sse' END
    FROM `project.ledger.account`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_mis_gentrack_account', 'from_platform_account', 'from_sse_account')
    )
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`account_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`account_key` IS NULL THEN 'insert'
      WHEN w.`account_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`account_key` IS NULL) <> (w.`account_key` IS NULL)
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`account_number` IS DISTINCT FROM p.`account_number`
      OR w.`balance_gbp` IS DISTINCT FROM p.`balance_gbp`
      OR w.`opened_on` IS DISTINCT FROM p.`opened_on`
      OR w.`closed_on` IS DISTINCT FROM p.`closed_on`
      OR w.`address` IS DISTINCT FROM p.`address`
      OR w.`postcode` IS DISTINCT FROM p.`postcode`
      AS is_event,
    (p.`account_key` IS NULL) <> (w.`account_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`account_number` IS DISTINCT FROM p.`account_number`
      OR w.`balance_gbp` IS DISTINCT FROM p.`balance_gbp`
      OR w.`opened_on` IS DISTINCT FROM p.`opened_on`
      OR w.`closed_on` IS DISTINCT FROM p.`closed_on`
      OR w.`address` IS DISTINCT FROM p.`address`
      OR w.`postcode` IS DISTINCT FROM p.`postcode`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`account_key`,
    w.system AS source_system,
    w.`customer_key`,
    w.`account_number`,
    w.`balance_gbp`,
    w.`opened_on`,
    w.`closed_on`,
    w.`address`,
    w.`postcode`
  FROM affected_account AS a
  LEFT JOIN winner AS w ON w.`account_key` = a.`account_key`
  LEFT JOIN `project.common_model.account` AS p
    ON p.`account_key` = a.`account_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `account_key`, source_system, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`
    FROM change_account
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of account break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`account_key`, ', ' ORDER BY `account_key` LIMIT 3))) AS told
    FROM (
      SELECT `account_key` FROM change_account WHERE is_change
      GROUP BY `account_key`
      HAVING COUNT(*) > 1
    )
    UNION ALL
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of account break balance_within_bounds, a household that owes or is owed a million pounds is a column of pence, or a misread sign: ', STRING_AGG(`account_key`, ', ' ORDER BY `account_key` LIMIT 3))) AS told
    FROM (
      SELECT account_key
      FROM changed
      WHERE ABS(balance_gbp) >= 1000000
    )
  )
) AS 'Rule: a check of account is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_account AS
SELECT
  `account_key`,
  (SELECT change_number FROM `project.ledger.account` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `account_key`) AS change_number
FROM change_account
WHERE is_change;
INSERT INTO `project.change_log.account`
  (change_number, changed_at, operation, is_event, `account_key`, source_system, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`account_key`, c.source_system, c.`customer_key`, c.`account_number`, c.`balance_gbp`, c.`opened_on`, c.`closed_on`, c.`address`, c.`postcode`
FROM numbered_account AS n
JOIN change_account AS c ON c.`account_key` = n.`account_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.account` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_account AS n
  JOIN change_account AS c ON c.`account_key` = n.`account_key`
) AS s
ON t.`account_key` = s.`account_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `customer_key` = s.`customer_key`, `account_number` = s.`account_number`, `balance_gbp` = s.`balance_gbp`, `opened_on` = s.`opened_on`, `closed_on` = s.`closed_on`, `address` = s.`address`, `postcode` = s.`postcode`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`account_key`, source_system, change_number, changed_at, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`)
VALUES
  (s.`account_key`, s.source_system, s.change_number, v_changed_at, s.`customer_key`, s.`account_number`, s.`balance_gbp`, s.`opened_on`, s.`closed_on`, s.`address`, s.`postcode`);
UPDATE `project.ledger.account`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_account), changed_at = v_changed_at
WHERE name = 'entity';
  INSERT INTO stirred_account (system, id_space, source_key, is_rekeyed)
  SELECT system, id_space, source_key, key_before <> key_after FROM keyed_account;
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_account WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_account WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE keyed_contact AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`contact_key` AS key_before,
  i.`contact_key` AS key_after
FROM `project.conformed.contact` AS c
JOIN stirred_customer AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/contact' THEN 'customer' END) AND s.source_key = c.`customer_id`
JOIN `project.identity.contact` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
;
IF EXISTS (SELECT 1 FROM keyed_contact) THEN
  CREATE TEMP TABLE affected_contact AS
  SELECT key_before AS `contact_key` FROM keyed_contact
  UNION DISTINCT
  SELECT key_after FROM keyed_contact;
-- contact: every record that could speak for an affected key.
CREATE TEMP TABLE record_contact AS
SELECT i.`contact_key`, i.system, i.id_space, i.source_key
FROM affected_contact AS a
JOIN `project.identity.contact` AS i ON i.`contact_key` = a.`contact_key`;
CREATE TEMP TABLE says_contact AS
SELECT i.*, c.`customer_id`, c.`kind`, c.`full_name`, c.`phone`, c.`email`, c.`authorised_at`
FROM record_contact AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.contact` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse');
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_contact AS
WITH candidate AS (
  SELECT
    c.`contact_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`customer_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_customer_id`.`customer_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/contact' THEN 'customer' END), '\x1f', c.`customer_id`))), 1, 32)
    )
  END AS `customer_key`,
    c.`kind`,
    c.`full_name`,
    c.`phone`,
    c.`email`,
    c.`authorised_at`,
    CASE c.system WHEN 'sse' THEN 1 END AS rank
  FROM says_contact AS c
  LEFT JOIN `project.identity.customer` AS `p_customer_id`
  ON `p_customer_id`.system = c.system
  AND `p_customer_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/contact' THEN 'customer' END)
  AND `p_customer_id`.source_key = c.`customer_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`contact_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN (
    SELECT CASE name WHEN 'from_sse_contact' THEN 'sse' END
    FROM `project.ledger.contact`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_contact')
    )
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`contact_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`contact_key` IS NULL THEN 'insert'
      WHEN w.`contact_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`contact_key` IS NULL) <> (w.`contact_key` IS NULL)
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`kind` IS DISTINCT FROM p.`kind`
      OR w.`full_name` IS DISTINCT FROM p.`full_name`
      OR w.`phone` IS DISTINCT FROM p.`phone`
      OR w.`email` IS DISTINCT FROM p.`email`
      OR w.`authorised_at` IS DISTINCT FROM p.`authorised_at`
      AS is_event,
    (p.`contact_key` IS NULL) <> (w.`contact_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`customer_key` IS DISTINCT FROM p.`customer_key`
      OR w.`kind` IS DISTINCT FROM p.`kind`
      OR w.`full_name` IS DISTINCT FROM p.`full_name`
      OR w.`phone` IS DISTINCT FROM p.`phone`
      OR w.`email` IS DISTINCT FROM p.`email`
      OR w.`authorised_at` IS DISTINCT FROM p.`authorised_at`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`contact_key`,
    w.system AS source_system,
    w.`customer_key`,
    w.`kind`,
    w.`full_name`,
    w.`phone`,
    w.`email`,
    w.`authorised_at`
  FROM affected_contact AS a
  LEFT JOIN winner AS w ON w.`contact_key` = a.`contact_key`
  LEFT JOIN `project.common_model.contact` AS p
    ON p.`contact_key` = a.`contact_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `contact_key`, source_system, `customer_key`, `kind`, `full_name`, `phone`, `email`, `authorised_at`
    FROM change_contact
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of contact break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`contact_key`, ', ' ORDER BY `contact_key` LIMIT 3))) AS told
    FROM (
      SELECT `contact_key` FROM change_contact WHERE is_change
      GROUP BY `contact_key`
      HAVING COUNT(*) > 1
    )
  )
) AS 'Rule: a check of contact is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_contact AS
SELECT
  `contact_key`,
  (SELECT change_number FROM `project.ledger.contact` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `contact_key`) AS change_number
FROM change_contact
WHERE is_change;
INSERT INTO `project.change_log.contact`
  (change_number, changed_at, operation, is_event, `contact_key`, source_system, `customer_key`, `kind`, `full_name`, `phone`, `email`, `authorised_at`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`contact_key`, c.source_system, c.`customer_key`, c.`kind`, c.`full_name`, c.`phone`, c.`email`, c.`authorised_at`
FROM numbered_contact AS n
JOIN change_contact AS c ON c.`contact_key` = n.`contact_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.contact` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_contact AS n
  JOIN change_contact AS c ON c.`contact_key` = n.`contact_key`
) AS s
ON t.`contact_key` = s.`contact_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `customer_key` = s.`customer_key`, `kind` = s.`kind`, `full_name` = s.`full_name`, `phone` = s.`phone`, `email` = s.`email`, `authorised_at` = s.`authorised_at`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`contact_key`, source_system, change_number, changed_at, `customer_key`, `kind`, `full_name`, `phone`, `email`, `authorised_at`)
VALUES
  (s.`contact_key`, s.source_system, s.change_number, v_changed_at, s.`customer_key`, s.`kind`, s.`full_name`, s.`phone`, s.`email`, s.`authorised_at`);
UPDATE `project.ledger.contact`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_contact), changed_at = v_changed_at
WHERE name = 'entity';
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_contact WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_contact WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE keyed_contact_preference AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`contact_preference_key` AS key_before,
  i.`contact_preference_key` AS key_after
FROM `project.conformed.contact_preference` AS c
JOIN stirred_customer AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/contact_preference' THEN 'customer' END) AND s.source_key = c.`customer_id`
JOIN `project.identity.contact_preference` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
;
IF EXISTS (SELECT 1 FROM keyed_contact_preference) THEN
  CREATE TEMP TABLE affected_contact_preference AS
  SELECT key_before AS `contact_preference_key` FROM keyed_contact_preference
  UNION DISTINCT
  SELECT key_after FROM keyed_contact_preference;
-- contact_preference: every record that could speak for an affected key.
CREATE TEMP TABLE record_contact_preference AS
SELECT i.`contact_preference_key`, i.system, i.id_space, i.source_key
FROM affected_contact_preference AS a
JOIN `project.identity.contact_preference` AS i ON i.`contact_preference_key` = a.`contact_preference_key`;
CREATE TEMP TABLE says_contact_preference AS
SELECT i.*, c.`customer_id`, c.`channel`, c.`purpose`, c.`is_allowed`, c.`decided_at`, c.`told_by`
FROM record_contact_preference AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.contact_preference` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse');
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
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_contact_preference WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_contact_preference WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE keyed_interaction AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`interaction_key` AS key_before,
  i.`interaction_key` AS key_after
FROM `project.conformed.interaction` AS c
JOIN stirred_customer AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/salesforce_case' THEN 'gentrack_customer' END) AND s.source_key = c.`customer_id`
JOIN `project.identity.interaction` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
;
IF EXISTS (SELECT 1 FROM keyed_interaction) THEN
  CREATE TEMP TABLE affected_interaction AS
  SELECT key_before AS `interaction_key` FROM keyed_interaction
  UNION DISTINCT
  SELECT key_after FROM keyed_interaction;
-- interaction: every record that could speak for an affected key.
CREATE TEMP TABLE record_interaction AS
SELECT i.`interaction_key`, i.system, i.id_space, i.source_key
FROM affected_interaction AS a
JOIN `project.identity.interaction` AS i ON i.`interaction_key` = a.`interaction_key`;
CREATE TEMP TABLE says_interaction AS
SELECT i.*, c.`customer_id`, c.`case_number`, c.`subject`, c.`status`, c.`opened_at`, c.`closed_at`
FROM record_interaction AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.interaction` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('mis');
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
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_interaction WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_interaction WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE keyed_priority_service AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`priority_service_key` AS key_before,
  i.`priority_service_key` AS key_after
FROM `project.conformed.priority_service` AS c
JOIN stirred_customer AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/priority_services' THEN 'customer' END) AND s.source_key = c.`customer_id`
JOIN `project.identity.priority_service` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
;
IF EXISTS (SELECT 1 FROM keyed_priority_service) THEN
  CREATE TEMP TABLE affected_priority_service AS
  SELECT key_before AS `priority_service_key` FROM keyed_priority_service
  UNION DISTINCT
  SELECT key_after FROM keyed_priority_service;
-- priority_service: every record that could speak for an affected key.
CREATE TEMP TABLE record_priority_service AS
SELECT i.`priority_service_key`, i.system, i.id_space, i.source_key
FROM affected_priority_service AS a
JOIN `project.identity.priority_service` AS i ON i.`priority_service_key` = a.`priority_service_key`;
CREATE TEMP TABLE says_priority_service AS
SELECT i.*, c.`customer_id`, c.`needs_code`, c.`details`, c.`may_be_shared`, c.`registered_on`, c.`review_on`
FROM record_priority_service AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.priority_service` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse');
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
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_priority_service WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_priority_service WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE keyed_bill AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`bill_key` AS key_before,
  i.`bill_key` AS key_after
FROM `project.conformed.bill` AS c
JOIN stirred_account AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_invoice' THEN 'gentrack_account' WHEN 'sse/bill' THEN 'account' END) AND s.source_key = c.`account_id`
JOIN `project.identity.bill` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
WHERE s.is_rekeyed
;
IF EXISTS (SELECT 1 FROM keyed_bill) THEN
  CREATE TEMP TABLE affected_bill AS
  SELECT key_before AS `bill_key` FROM keyed_bill
  UNION DISTINCT
  SELECT key_after FROM keyed_bill;
-- bill: every record that could speak for an affected key.
CREATE TEMP TABLE record_bill AS
SELECT i.`bill_key`, i.system, i.id_space, i.source_key
FROM affected_bill AS a
JOIN `project.identity.bill` AS i ON i.`bill_key` = a.`bill_key`;
CREATE TEMP TABLE says_bill AS
SELECT i.*, c.`account_id`, c.`bill_number`, c.`period_starts_on`, c.`period_ends_on`, c.`net_gbp`, c.`vat_gbp`, c.`kind`, c.`issued_on`, c.`due_on`
FROM record_bill AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.bill` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse', 'mis');
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_bill AS
WITH candidate AS (
  SELECT
    c.`bill_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`account_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_account_id`.`account_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'account', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_invoice' THEN 'gentrack_account' WHEN 'sse/bill' THEN 'account' END), '\x1f', c.`account_id`))), 1, 32)
    )
  END AS `account_key`,
    c.`bill_number`,
    c.`period_starts_on`,
    c.`period_ends_on`,
    c.`net_gbp`,
    c.`vat_gbp`,
    c.`kind`,
    c.`issued_on`,
    c.`due_on`,
    CASE c.system WHEN 'sse' THEN 1 WHEN 'mis' THEN 2 END AS rank
  FROM says_bill AS c
  LEFT JOIN `project.identity.account` AS `p_account_id`
  ON `p_account_id`.system = c.system
  AND `p_account_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_invoice' THEN 'gentrack_account' WHEN 'sse/bill' THEN 'account' END)
  AND `p_account_id`.source_key = c.`account_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`bill_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`bill_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`bill_key` IS NULL THEN 'insert'
      WHEN w.`bill_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`bill_key` IS NULL) <> (w.`bill_key` IS NULL)
      OR w.`account_key` IS DISTINCT FROM p.`account_key`
      OR w.`bill_number` IS DISTINCT FROM p.`bill_number`
      OR w.`period_starts_on` IS DISTINCT FROM p.`period_starts_on`
      OR w.`period_ends_on` IS DISTINCT FROM p.`period_ends_on`
      OR w.`net_gbp` IS DISTINCT FROM p.`net_gbp`
      OR w.`vat_gbp` IS DISTINCT FROM p.`vat_gbp`
      OR w.`kind` IS DISTINCT FROM p.`kind`
      OR w.`issued_on` IS DISTINCT FROM p.`issued_on`
      OR w.`due_on` IS DISTINCT FROM p.`due_on`
      AS is_event,
    (p.`bill_key` IS NULL) <> (w.`bill_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`account_key` IS DISTINCT FROM p.`account_key`
      OR w.`bill_number` IS DISTINCT FROM p.`bill_number`
      OR w.`period_starts_on` IS DISTINCT FROM p.`period_starts_on`
      OR w.`period_ends_on` IS DISTINCT FROM p.`period_ends_on`
      OR w.`net_gbp` IS DISTINCT FROM p.`net_gbp`
      OR w.`vat_gbp` IS DISTINCT FROM p.`vat_gbp`
      OR w.`kind` IS DISTINCT FROM p.`kind`
      OR w.`issued_on` IS DISTINCT FROM p.`issued_on`
      OR w.`due_on` IS DISTINCT FROM p.`due_on`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`bill_key`,
    w.system AS source_system,
    w.`account_key`,
    w.`bill_number`,
    w.`period_starts_on`,
    w.`period_ends_on`,
    w.`net_gbp`,
    w.`vat_gbp`,
    w.`kind`,
    w.`issued_on`,
    w.`due_on`
  FROM affected_bill AS a
  LEFT JOIN winner AS w ON w.`bill_key` = a.`bill_key`
  LEFT JOIN `project.common_model.bill` AS p
    ON p.`bill_key` = a.`bill_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `bill_key`, source_system, `account_key`, `bill_number`, `period_starts_on`, `period_ends_on`, `net_gbp`, `vat_gbp`, `kind`, `issued_on`, `due_on`
    FROM change_bill
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of bill break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`bill_key`, ', ' ORDER BY `bill_key` LIMIT 3))) AS told
    FROM (
      SELECT `bill_key` FROM change_bill WHERE is_change
      GROUP BY `bill_key`
      HAVING COUNT(*) > 1
    )
    UNION ALL
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of bill break amount_within_bounds, a household that is billed a million pounds is a column of pence, or a misread sign: ', STRING_AGG(`bill_key`, ', ' ORDER BY `bill_key` LIMIT 3))) AS told
    FROM (
      SELECT bill_key
      FROM changed
      WHERE ABS(net_gbp) >= 1000000 OR ABS(vat_gbp) >= 1000000
    )
  )
) AS 'Rule: a check of bill is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_bill AS
SELECT
  `bill_key`,
  (SELECT change_number FROM `project.ledger.bill` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `bill_key`) AS change_number
FROM change_bill
WHERE is_change;
INSERT INTO `project.change_log.bill`
  (change_number, changed_at, operation, is_event, `bill_key`, source_system, `account_key`, `bill_number`, `period_starts_on`, `period_ends_on`, `net_gbp`, `vat_gbp`, `kind`, `issued_on`, `due_on`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`bill_key`, c.source_system, c.`account_key`, c.`bill_number`, c.`period_starts_on`, c.`period_ends_on`, c.`net_gbp`, c.`vat_gbp`, c.`kind`, c.`issued_on`, c.`due_on`
FROM numbered_bill AS n
JOIN change_bill AS c ON c.`bill_key` = n.`bill_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.bill` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_bill AS n
  JOIN change_bill AS c ON c.`bill_key` = n.`bill_key`
) AS s
ON t.`bill_key` = s.`bill_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `account_key` = s.`account_key`, `bill_number` = s.`bill_number`, `period_starts_on` = s.`period_starts_on`, `period_ends_on` = s.`period_ends_on`, `net_gbp` = s.`net_gbp`, `vat_gbp` = s.`vat_gbp`, `kind` = s.`kind`, `issued_on` = s.`issued_on`, `due_on` = s.`due_on`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`bill_key`, source_system, change_number, changed_at, `account_key`, `bill_number`, `period_starts_on`, `period_ends_on`, `net_gbp`, `vat_gbp`, `kind`, `issued_on`, `due_on`)
VALUES
  (s.`bill_key`, s.source_system, s.change_number, v_changed_at, s.`account_key`, s.`bill_number`, s.`period_starts_on`, s.`period_ends_on`, s.`net_gbp`, s.`vat_gbp`, s.`kind`, s.`issued_on`, s.`due_on`);
UPDATE `project.ledger.bill`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_bill), changed_at = v_changed_at
WHERE name = 'entity';
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_bill WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_bill WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE keyed_payment AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`payment_key` AS key_before,
  i.`payment_key` AS key_after
FROM `project.conformed.payment` AS c
JOIN stirred_account AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/payment' THEN 'account' END) AND s.source_key = c.`account_id`
JOIN `project.identity.payment` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
WHERE s.is_rekeyed
;
IF EXISTS (SELECT 1 FROM keyed_payment) THEN
  CREATE TEMP TABLE affected_payment AS
  SELECT key_before AS `payment_key` FROM keyed_payment
  UNION DISTINCT
  SELECT key_after FROM keyed_payment;
-- payment: every record that could speak for an affected key.
CREATE TEMP TABLE record_payment AS
SELECT i.`payment_key`, i.system, i.id_space, i.source_key
FROM affected_payment AS a
JOIN `project.identity.payment` AS i ON i.`payment_key` = a.`payment_key`;
CREATE TEMP TABLE says_payment AS
SELECT i.*, c.`account_id`, c.`amount_gbp`, c.`paid_at`, c.`method`
FROM record_payment AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.payment` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse');
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_payment AS
WITH candidate AS (
  SELECT
    c.`payment_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`account_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_account_id`.`account_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'account', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/payment' THEN 'account' END), '\x1f', c.`account_id`))), 1, 32)
    )
  END AS `account_key`,
    c.`amount_gbp`,
    c.`paid_at`,
    c.`method`,
    CASE c.system WHEN 'sse' THEN 1 END AS rank
  FROM says_payment AS c
  LEFT JOIN `project.identity.account` AS `p_account_id`
  ON `p_account_id`.system = c.system
  AND `p_account_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/payment' THEN 'account' END)
  AND `p_account_id`.source_key = c.`account_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`payment_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`payment_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`payment_key` IS NULL THEN 'insert'
      WHEN w.`payment_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`payment_key` IS NULL) <> (w.`payment_key` IS NULL)
      OR w.`account_key` IS DISTINCT FROM p.`account_key`
      OR w.`amount_gbp` IS DISTINCT FROM p.`amount_gbp`
      OR w.`paid_at` IS DISTINCT FROM p.`paid_at`
      OR w.`method` IS DISTINCT FROM p.`method`
      AS is_event,
    (p.`payment_key` IS NULL) <> (w.`payment_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`account_key` IS DISTINCT FROM p.`account_key`
      OR w.`amount_gbp` IS DISTINCT FROM p.`amount_gbp`
      OR w.`paid_at` IS DISTINCT FROM p.`paid_at`
      OR w.`method` IS DISTINCT FROM p.`method`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`payment_key`,
    w.system AS source_system,
    w.`account_key`,
    w.`amount_gbp`,
    w.`paid_at`,
    w.`method`
  FROM affected_payment AS a
  LEFT JOIN winner AS w ON w.`payment_key` = a.`payment_key`
  LEFT JOIN `project.common_model.payment` AS p
    ON p.`payment_key` = a.`payment_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `payment_key`, source_system, `account_key`, `amount_gbp`, `paid_at`, `method`
    FROM change_payment
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of payment break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`payment_key`, ', ' ORDER BY `payment_key` LIMIT 3))) AS told
    FROM (
      SELECT `payment_key` FROM change_payment WHERE is_change
      GROUP BY `payment_key`
      HAVING COUNT(*) > 1
    )
    UNION ALL
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of payment break amount_within_bounds, a household that pays a million pounds is a column of pence, or a misread sign: ', STRING_AGG(`payment_key`, ', ' ORDER BY `payment_key` LIMIT 3))) AS told
    FROM (
      SELECT payment_key
      FROM changed
      WHERE ABS(amount_gbp) >= 1000000
    )
  )
) AS 'Rule: a check of payment is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_payment AS
SELECT
  `payment_key`,
  (SELECT change_number FROM `project.ledger.payment` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `payment_key`) AS change_number
FROM change_payment
WHERE is_change;
INSERT INTO `project.change_log.payment`
  (change_number, changed_at, operation, is_event, `payment_key`, source_system, `account_key`, `amount_gbp`, `paid_at`, `method`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`payment_key`, c.source_system, c.`account_key`, c.`amount_gbp`, c.`paid_at`, c.`method`
FROM numbered_payment AS n
JOIN change_payment AS c ON c.`payment_key` = n.`payment_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.payment` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_payment AS n
  JOIN change_payment AS c ON c.`payment_key` = n.`payment_key`
) AS s
ON t.`payment_key` = s.`payment_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `account_key` = s.`account_key`, `amount_gbp` = s.`amount_gbp`, `paid_at` = s.`paid_at`, `method` = s.`method`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`payment_key`, source_system, change_number, changed_at, `account_key`, `amount_gbp`, `paid_at`, `method`)
VALUES
  (s.`payment_key`, s.source_system, s.change_number, v_changed_at, s.`account_key`, s.`amount_gbp`, s.`paid_at`, s.`method`);
UPDATE `project.ledger.payment`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_payment), changed_at = v_changed_at
WHERE name = 'entity';
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_payment WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_payment WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE stirred_supply_point (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
CREATE TEMP TABLE keyed_supply_point AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`supply_point_key` AS key_before,
  COALESCE(SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'supply_point', '\x1f', 'facts', '\x1f', '', '\x1f', CONCAT(REPLACE(REPLACE(c.`fuel`, '\\', '\\\\'), '|', '\\|'), '|', REPLACE(REPLACE(c.`supply_number`, '\\', '\\\\'), '|', '\\|'))))), 1, 32), SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'supply_point', '\x1f', c.system, '\x1f', c.id_space, '\x1f', c.source_key))), 1, 32)) AS key_after
FROM `project.conformed.supply_point` AS c
JOIN stirred_account AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/supply_point' THEN 'account' END) AND s.source_key = c.`account_id`
JOIN `project.identity.supply_point` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
WHERE s.is_rekeyed
;
IF EXISTS (SELECT 1 FROM keyed_supply_point) THEN
  MERGE `project.identity.supply_point` AS t
  USING (SELECT * FROM keyed_supply_point WHERE key_before <> key_after) AS s
  ON t.system = s.system AND t.id_space = s.id_space AND t.source_key = s.source_key
  WHEN MATCHED THEN UPDATE SET own_key = s.key_after, `supply_point_key` = s.key_after;
  CREATE TEMP TABLE affected_supply_point AS
  SELECT key_before AS `supply_point_key` FROM keyed_supply_point
  UNION DISTINCT
  SELECT key_after FROM keyed_supply_point;
-- supply_point: every record that could speak for an affected key.
CREATE TEMP TABLE record_supply_point AS
SELECT i.`supply_point_key`, i.system, i.id_space, i.source_key
FROM affected_supply_point AS a
JOIN `project.identity.supply_point` AS i ON i.`supply_point_key` = a.`supply_point_key`;
CREATE TEMP TABLE says_supply_point AS
SELECT i.*, c.`account_id`, c.`fuel`, c.`supply_number`, c.`region`, c.`profile_class`, c.`postcode`, c.`is_deenergised`, c.`supplied_since_at`
FROM record_supply_point AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.supply_point` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse');
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_supply_point AS
WITH candidate AS (
  SELECT
    c.`supply_point_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`account_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_account_id`.`account_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'account', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/supply_point' THEN 'account' END), '\x1f', c.`account_id`))), 1, 32)
    )
  END AS `account_key`,
    c.`fuel`,
    c.`supply_number`,
    c.`region`,
    c.`profile_class`,
    c.`postcode`,
    c.`is_deenergised`,
    c.`supplied_since_at`,
    CASE c.system WHEN 'sse' THEN 1 END AS rank
  FROM says_supply_point AS c
  LEFT JOIN `project.identity.account` AS `p_account_id`
  ON `p_account_id`.system = c.system
  AND `p_account_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/supply_point' THEN 'account' END)
  AND `p_account_id`.source_key = c.`account_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`supply_point_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`supply_point_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`supply_point_key` IS NULL THEN 'insert'
      WHEN w.`supply_point_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`supply_point_key` IS NULL) <> (w.`supply_point_key` IS NULL)
      OR w.`account_key` IS DISTINCT FROM p.`account_key`
      OR w.`fuel` IS DISTINCT FROM p.`fuel`
      OR w.`supply_number` IS DISTINCT FROM p.`supply_number`
      OR w.`region` IS DISTINCT FROM p.`region`
      OR w.`profile_class` IS DISTINCT FROM p.`profile_class`
      OR w.`postcode` IS DISTINCT FROM p.`postcode`
      OR w.`is_deenergised` IS DISTINCT FROM p.`is_deenergised`
      OR w.`supplied_since_at` IS DISTINCT FROM p.`supplied_since_at`
      AS is_event,
    (p.`supply_point_key` IS NULL) <> (w.`supply_point_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`account_key` IS DISTINCT FROM p.`account_key`
      OR w.`fuel` IS DISTINCT FROM p.`fuel`
      OR w.`supply_number` IS DISTINCT FROM p.`supply_number`
      OR w.`region` IS DISTINCT FROM p.`region`
      OR w.`profile_class` IS DISTINCT FROM p.`profile_class`
      OR w.`postcode` IS DISTINCT FROM p.`postcode`
      OR w.`is_deenergised` IS DISTINCT FROM p.`is_deenergised`
      OR w.`supplied_since_at` IS DISTINCT FROM p.`supplied_since_at`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`supply_point_key`,
    w.system AS source_system,
    w.`account_key`,
    w.`fuel`,
    w.`supply_number`,
    w.`region`,
    w.`profile_class`,
    w.`postcode`,
    w.`is_deenergised`,
    w.`supplied_since_at`
  FROM affected_supply_point AS a
  LEFT JOIN winner AS w ON w.`supply_point_key` = a.`supply_point_key`
  LEFT JOIN `project.common_model.supply_point` AS p
    ON p.`supply_point_key` = a.`supply_point_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `supply_point_key`, source_system, `account_key`, `fuel`, `supply_number`, `region`, `profile_class`, `postcode`, `is_deenergised`, `supplied_since_at`
    FROM change_supply_point
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of supply_point break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`supply_point_key`, ', ' ORDER BY `supply_point_key` LIMIT 3))) AS told
    FROM (
      SELECT `supply_point_key` FROM change_supply_point WHERE is_change
      GROUP BY `supply_point_key`
      HAVING COUNT(*) > 1
    )
  )
) AS 'Rule: a check of supply_point is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_supply_point AS
SELECT
  `supply_point_key`,
  (SELECT change_number FROM `project.ledger.supply_point` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `supply_point_key`) AS change_number
FROM change_supply_point
WHERE is_change;
INSERT INTO `project.change_log.supply_point`
  (change_number, changed_at, operation, is_event, `supply_point_key`, source_system, `account_key`, `fuel`, `supply_number`, `region`, `profile_class`, `postcode`, `is_deenergised`, `supplied_since_at`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`supply_point_key`, c.source_system, c.`account_key`, c.`fuel`, c.`supply_number`, c.`region`, c.`profile_class`, c.`postcode`, c.`is_deenergised`, c.`supplied_since_at`
FROM numbered_supply_point AS n
JOIN change_supply_point AS c ON c.`supply_point_key` = n.`supply_point_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.supply_point` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_supply_point AS n
  JOIN change_supply_point AS c ON c.`supply_point_key` = n.`supply_point_key`
) AS s
ON t.`supply_point_key` = s.`supply_point_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `account_key` = s.`account_key`, `fuel` = s.`fuel`, `supply_number` = s.`supply_number`, `region` = s.`region`, `profile_class` = s.`profile_class`, `postcode` = s.`postcode`, `is_deenergised` = s.`is_deenergised`, `supplied_since_at` = s.`supplied_since_at`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`supply_point_key`, source_system, change_number, changed_at, `account_key`, `fuel`, `supply_number`, `region`, `profile_class`, `postcode`, `is_deenergised`, `supplied_since_at`)
VALUES
  (s.`supply_point_key`, s.source_system, s.change_number, v_changed_at, s.`account_key`, s.`fuel`, s.`supply_number`, s.`region`, s.`profile_class`, s.`postcode`, s.`is_deenergised`, s.`supplied_since_at`);
UPDATE `project.ledger.supply_point`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_supply_point), changed_at = v_changed_at
WHERE name = 'entity';
  INSERT INTO stirred_supply_point (system, id_space, source_key, is_rekeyed)
  SELECT system, id_space, source_key, key_before <> key_after FROM keyed_supply_point;
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_supply_point WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_supply_point WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE keyed_agreement AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`agreement_key` AS key_before,
  i.`agreement_key` AS key_after
FROM `project.conformed.agreement` AS c
JOIN stirred_account AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/agreement' THEN 'account' END) AND s.source_key = c.`account_id`
JOIN `project.identity.agreement` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
UNION DISTINCT
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`agreement_key` AS key_before,
  i.`agreement_key` AS key_after
FROM `project.conformed.agreement` AS c
JOIN stirred_supply_point AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/agreement' THEN 'supply_point' END) AND s.source_key = c.`supply_point_id`
JOIN `project.identity.agreement` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
WHERE s.is_rekeyed
;
IF EXISTS (SELECT 1 FROM keyed_agreement) THEN
  CREATE TEMP TABLE affected_agreement AS
  SELECT key_before AS `agreement_key` FROM keyed_agreement
  UNION DISTINCT
  SELECT key_after FROM keyed_agreement;
-- agreement: every record that could speak for an affected key.
CREATE TEMP TABLE record_agreement AS
SELECT i.`agreement_key`, i.system, i.id_space, i.source_key
FROM affected_agreement AS a
JOIN `project.identity.agreement` AS i ON i.`agreement_key` = a.`agreement_key`;
CREATE TEMP TABLE says_agreement AS
SELECT i.*, c.`account_id`, c.`supply_point_id`, c.`tariff_code`, c.`payment_method`, c.`monthly_amount_gbp`, c.`signed_at`, c.`starts_on`, c.`ends_on`
FROM record_agreement AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.agreement` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse');
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_agreement AS
WITH candidate AS (
  SELECT
    c.`agreement_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`account_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_account_id`.`account_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'account', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/agreement' THEN 'account' END), '\x1f', c.`account_id`))), 1, 32)
    )
  END AS `account_key`,
    CASE
    WHEN c.`supply_point_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_supply_point_id`.`supply_point_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'supply_point', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/agreement' THEN 'supply_point' END), '\x1f', c.`supply_point_id`))), 1, 32)
    )
  END AS `supply_point_key`,
    c.`tariff_code`,
    c.`payment_method`,
    c.`monthly_amount_gbp`,
    c.`signed_at`,
    c.`starts_on`,
    c.`ends_on`,
    via_customer.customer_key AS _customer_key,
    CASE c.system WHEN 'sse' THEN 1 END AS rank
  FROM says_agreement AS c
  LEFT JOIN `project.identity.account` AS `p_account_id`
  ON `p_account_id`.system = c.system
  AND `p_account_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/agreement' THEN 'account' END)
  AND `p_account_id`.source_key = c.`account_id`
  LEFT JOIN `project.identity.supply_point` AS `p_supply_point_id`
  ON `p_supply_point_id`.system = c.system
  AND `p_supply_point_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/agreement' THEN 'supply_point' END)
  AND `p_supply_point_id`.source_key = c.`supply_point_id`
  LEFT JOIN `project.conformed.account` AS via
    ON via.system = c.system
    AND via.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/agreement' THEN 'account' END)
    AND via.source_key = c.`account_id`
  LEFT JOIN `project.identity.customer` AS via_customer
    ON via_customer.system = via.system
    AND via_customer.id_space = (CASE CONCAT(via.system, '/', via.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END)
    AND via_customer.source_key = via.`customer_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`agreement_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`_customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN (
    SELECT CASE name WHEN 'from_sse_agreement' THEN 'sse' END
    FROM `project.ledger.agreement`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_agreement')
    )
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`agreement_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`agreement_key` IS NULL THEN 'insert'
      WHEN w.`agreement_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`agreement_key` IS NULL) <> (w.`agreement_key` IS NULL)
      OR w.`account_key` IS DISTINCT FROM p.`account_key`
      OR w.`supply_point_key` IS DISTINCT FROM p.`supply_point_key`
      OR w.`tariff_code` IS DISTINCT FROM p.`tariff_code`
      OR w.`payment_method` IS DISTINCT FROM p.`payment_method`
      OR w.`monthly_amount_gbp` IS DISTINCT FROM p.`monthly_amount_gbp`
      OR w.`signed_at` IS DISTINCT FROM p.`signed_at`
      OR w.`starts_on` IS DISTINCT FROM p.`starts_on`
      OR w.`ends_on` IS DISTINCT FROM p.`ends_on`
      AS is_event,
    (p.`agreement_key` IS NULL) <> (w.`agreement_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`account_key` IS DISTINCT FROM p.`account_key`
      OR w.`supply_point_key` IS DISTINCT FROM p.`supply_point_key`
      OR w.`tariff_code` IS DISTINCT FROM p.`tariff_code`
      OR w.`payment_method` IS DISTINCT FROM p.`payment_method`
      OR w.`monthly_amount_gbp` IS DISTINCT FROM p.`monthly_amount_gbp`
      OR w.`signed_at` IS DISTINCT FROM p.`signed_at`
      OR w.`starts_on` IS DISTINCT FROM p.`starts_on`
      OR w.`ends_on` IS DISTINCT FROM p.`ends_on`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`agreement_key`,
    w.system AS source_system,
    w.`account_key`,
    w.`supply_point_key`,
    w.`tariff_code`,
    w.`payment_method`,
    w.`monthly_amount_gbp`,
    w.`signed_at`,
    w.`starts_on`,
    w.`ends_on`
  FROM affected_agreement AS a
  LEFT JOIN winner AS w ON w.`agreement_key` = a.`agreement_key`
  LEFT JOIN `project.common_model.agreement` AS p
    ON p.`agreement_key` = a.`agreement_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `agreement_key`, source_system, `account_key`, `supply_point_key`, `tariff_code`, `payment_method`, `monthly_amount_gbp`, `signed_at`, `starts_on`, `ends_on`
    FROM change_agreement
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of agreement break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`agreement_key`, ', ' ORDER BY `agreement_key` LIMIT 3))) AS told
    FROM (
      SELECT `agreement_key` FROM change_agreement WHERE is_change
      GROUP BY `agreement_key`
      HAVING COUNT(*) > 1
    )
  )
) AS 'Rule: a check of agreement is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_agreement AS
SELECT
  `agreement_key`,
  (SELECT change_number FROM `project.ledger.agreement` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `agreement_key`) AS change_number
FROM change_agreement
WHERE is_change;
INSERT INTO `project.change_log.agreement`
  (change_number, changed_at, operation, is_event, `agreement_key`, source_system, `account_key`, `supply_point_key`, `tariff_code`, `payment_method`, `monthly_amount_gbp`, `signed_at`, `starts_on`, `ends_on`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`agreement_key`, c.source_system, c.`account_key`, c.`supply_point_key`, c.`tariff_code`, c.`payment_method`, c.`monthly_amount_gbp`, c.`signed_at`, c.`starts_on`, c.`ends_on`
FROM numbered_agreement AS n
JOIN change_agreement AS c ON c.`agreement_key` = n.`agreement_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.agreement` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_agreement AS n
  JOIN change_agreement AS c ON c.`agreement_key` = n.`agreement_key`
) AS s
ON t.`agreement_key` = s.`agreement_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `account_key` = s.`account_key`, `supply_point_key` = s.`supply_point_key`, `tariff_code` = s.`tariff_code`, `payment_method` = s.`payment_method`, `monthly_amount_gbp` = s.`monthly_amount_gbp`, `signed_at` = s.`signed_at`, `starts_on` = s.`starts_on`, `ends_on` = s.`ends_on`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`agreement_key`, source_system, change_number, changed_at, `account_key`, `supply_point_key`, `tariff_code`, `payment_method`, `monthly_amount_gbp`, `signed_at`, `starts_on`, `ends_on`)
VALUES
  (s.`agreement_key`, s.source_system, s.change_number, v_changed_at, s.`account_key`, s.`supply_point_key`, s.`tariff_code`, s.`payment_method`, s.`monthly_amount_gbp`, s.`signed_at`, s.`starts_on`, s.`ends_on`);
UPDATE `project.ledger.agreement`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_agreement), changed_at = v_changed_at
WHERE name = 'entity';
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_agreement WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_agreement WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE stirred_meter (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
CREATE TEMP TABLE keyed_meter AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`meter_key` AS key_before,
  COALESCE(SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter', '\x1f', 'facts', '\x1f', '', '\x1f', CONCAT(REPLACE(REPLACE(c.`serial_number`, '\\', '\\\\'), '|', '\\|'))))), 1, 32), SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter', '\x1f', c.system, '\x1f', c.id_space, '\x1f', c.source_key))), 1, 32)) AS key_after
FROM `project.conformed.meter` AS c
JOIN stirred_supply_point AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter' THEN 'supply_point' END) AND s.source_key = c.`supply_point_id`
JOIN `project.identity.meter` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
WHERE s.is_rekeyed
;
IF EXISTS (SELECT 1 FROM keyed_meter) THEN
  MERGE `project.identity.meter` AS t
  USING (SELECT * FROM keyed_meter WHERE key_before <> key_after) AS s
  ON t.system = s.system AND t.id_space = s.id_space AND t.source_key = s.source_key
  WHEN MATCHED THEN UPDATE SET own_key = s.key_after, `meter_key` = s.key_after;
  CREATE TEMP TABLE affected_meter AS
  SELECT key_before AS `meter_key` FROM keyed_meter
  UNION DISTINCT
  SELECT key_after FROM keyed_meter;
-- meter: every record that could speak for an affected key.
CREATE TEMP TABLE record_meter AS
SELECT i.`meter_key`, i.system, i.id_space, i.source_key
FROM affected_meter AS a
JOIN `project.identity.meter` AS i ON i.`meter_key` = a.`meter_key`;
CREATE TEMP TABLE says_meter AS
SELECT i.*, c.`supply_point_id`, c.`serial_number`, c.`meter_type`, c.`register_count`, c.`installed_on`, c.`removed_on`
FROM record_meter AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.meter` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse');
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_meter AS
WITH candidate AS (
  SELECT
    c.`meter_key`,
    c.system,
    c.id_space,
    c.source_key,
    CASE
    WHEN c.`supply_point_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_supply_point_id`.`supply_point_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'supply_point', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter' THEN 'supply_point' END), '\x1f', c.`supply_point_id`))), 1, 32)
    )
  END AS `supply_point_key`,
    c.`serial_number`,
    c.`meter_type`,
    c.`register_count`,
    c.`installed_on`,
    c.`removed_on`,
    CASE c.system WHEN 'sse' THEN 1 END AS rank
  FROM says_meter AS c
  LEFT JOIN `project.identity.supply_point` AS `p_supply_point_id`
  ON `p_supply_point_id`.system = c.system
  AND `p_supply_point_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter' THEN 'supply_point' END)
  AND `p_supply_point_id`.source_key = c.`supply_point_id`
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER (PARTITION BY c.`meter_key` ORDER BY c.rank, c.source_key, c.id_space) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`meter_key` ORDER BY c.rank, c.source_key, c.id_space) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.`meter_key` IS NULL THEN 'insert'
      WHEN w.`meter_key` IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.`meter_key` IS NULL) <> (w.`meter_key` IS NULL)
      OR w.`supply_point_key` IS DISTINCT FROM p.`supply_point_key`
      OR w.`serial_number` IS DISTINCT FROM p.`serial_number`
      OR w.`meter_type` IS DISTINCT FROM p.`meter_type`
      OR w.`register_count` IS DISTINCT FROM p.`register_count`
      OR w.`installed_on` IS DISTINCT FROM p.`installed_on`
      OR w.`removed_on` IS DISTINCT FROM p.`removed_on`
      AS is_event,
    (p.`meter_key` IS NULL) <> (w.`meter_key` IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
      OR w.`supply_point_key` IS DISTINCT FROM p.`supply_point_key`
      OR w.`serial_number` IS DISTINCT FROM p.`serial_number`
      OR w.`meter_type` IS DISTINCT FROM p.`meter_type`
      OR w.`register_count` IS DISTINCT FROM p.`register_count`
      OR w.`installed_on` IS DISTINCT FROM p.`installed_on`
      OR w.`removed_on` IS DISTINCT FROM p.`removed_on`
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.`meter_key`,
    w.system AS source_system,
    w.`supply_point_key`,
    w.`serial_number`,
    w.`meter_type`,
    w.`register_count`,
    w.`installed_on`,
    w.`removed_on`
  FROM affected_meter AS a
  LEFT JOIN winner AS w ON w.`meter_key` = a.`meter_key`
  LEFT JOIN `project.common_model.meter` AS p
    ON p.`meter_key` = a.`meter_key`
)
SELECT * FROM compared WHERE is_change OR is_contested;
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  WITH changed AS (
    SELECT `meter_key`, source_system, `supply_point_key`, `serial_number`, `meter_type`, `register_count`, `installed_on`, `removed_on`
    FROM change_meter
    WHERE is_change AND operation <> 'delete'
  )
  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), ' of meter break one_row_per_key, there are two of it in the common model: ', STRING_AGG(`meter_key`, ', ' ORDER BY `meter_key` LIMIT 3))) AS told
    FROM (
      SELECT `meter_key` FROM change_meter WHERE is_change
      GROUP BY `meter_key`
      HAVING COUNT(*) > 1
    )
  )
) AS 'Rule: a check of meter is broken';
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_meter AS
SELECT
  `meter_key`,
  (SELECT change_number FROM `project.ledger.meter` WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY `meter_key`) AS change_number
FROM change_meter
WHERE is_change;
INSERT INTO `project.change_log.meter`
  (change_number, changed_at, operation, is_event, `meter_key`, source_system, `supply_point_key`, `serial_number`, `meter_type`, `register_count`, `installed_on`, `removed_on`)
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.`meter_key`, c.source_system, c.`supply_point_key`, c.`serial_number`, c.`meter_type`, c.`register_count`, c.`installed_on`, c.`removed_on`
FROM numbered_meter AS n
JOIN change_meter AS c ON c.`meter_key` = n.`meter_key`;
-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE `project.common_model.meter` AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_meter AS n
  JOIN change_meter AS c ON c.`meter_key` = n.`meter_key`
) AS s
ON t.`meter_key` = s.`meter_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `supply_point_key` = s.`supply_point_key`, `serial_number` = s.`serial_number`, `meter_type` = s.`meter_type`, `register_count` = s.`register_count`, `installed_on` = s.`installed_on`, `removed_on` = s.`removed_on`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`meter_key`, source_system, change_number, changed_at, `supply_point_key`, `serial_number`, `meter_type`, `register_count`, `installed_on`, `removed_on`)
VALUES
  (s.`meter_key`, s.source_system, s.change_number, v_changed_at, s.`supply_point_key`, s.`serial_number`, s.`meter_type`, s.`register_count`, s.`installed_on`, s.`removed_on`);
UPDATE `project.ledger.meter`
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_meter), changed_at = v_changed_at
WHERE name = 'entity';
  INSERT INTO stirred_meter (system, id_space, source_key, is_rekeyed)
  SELECT system, id_space, source_key, key_before <> key_after FROM keyed_meter;
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_meter WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_meter WHERE is_change AND operation = 'delete');
END IF;
CREATE TEMP TABLE keyed_meter_reading AS
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.`meter_reading_key` AS key_before,
  COALESCE(SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter_reading', '\x1f', 'facts', '\x1f', '', '\x1f', CONCAT(CAST(CASE
    WHEN c.`meter_id` IS NULL THEN NULL
    ELSE COALESCE(
      `p_meter_id`.`meter_key`,
      SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter', '\x1f', c.system, '\x1f', (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter_reading' THEN 'meter' END), '\x1f', c.`meter_id`))), 1, 32)
    )
  END AS STRING), '|', REPLACE(REPLACE(c.`register`, '\\', '\\\\'), '|', '\\|'), '|', FORMAT_TIMESTAMP('%F %H:%M:%E6S', c.`read_at`, 'UTC'))))), 1, 32), SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'meter_reading', '\x1f', c.system, '\x1f', c.id_space, '\x1f', c.source_key))), 1, 32)) AS key_after,
  i.month
FROM `project.conformed.meter_reading` AS c
JOIN stirred_meter AS s
  ON s.system = c.system AND s.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter_reading' THEN 'meter' END) AND s.source_key = c.`meter_id`
JOIN `project.identity.meter_reading` AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
LEFT JOIN `project.identity.meter` AS `p_meter_id`
  ON `p_meter_id`.system = c.system
  AND `p_meter_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'sse/meter_reading' THEN 'meter' END)
  AND `p_meter_id`.source_key = c.`meter_id`
WHERE s.is_rekeyed
;
IF EXISTS (SELECT 1 FROM keyed_meter_reading) THEN
  MERGE `project.identity.meter_reading` AS t
  USING (SELECT * FROM keyed_meter_reading WHERE key_before <> key_after) AS s
  ON t.system = s.system AND t.id_space = s.id_space AND t.source_key = s.source_key
  WHEN MATCHED THEN UPDATE SET own_key = s.key_after, `meter_reading_key` = s.key_after;
  CREATE TEMP TABLE affected_meter_reading AS
  SELECT key_before AS `meter_reading_key` FROM keyed_meter_reading
  UNION DISTINCT
  SELECT key_after FROM keyed_meter_reading;
  SET v_months_meter_reading = (SELECT IFNULL(ARRAY_AGG(DISTINCT month IGNORE NULLS), []) FROM keyed_meter_reading);
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
FROM record_meter_reading AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.meter_reading` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND TIMESTAMP_TRUNC(c.`read_at`, MONTH) IN UNNEST(v_months_meter_reading)
WHERE c.is_present AND c.system IN ('sse');
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
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_meter_reading WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_meter_reading WHERE is_change AND operation = 'delete');
END IF;
END IF;
-- Progress, in the same transaction as the data that it describes.
DELETE FROM `project.ledger.customer` WHERE name = @mapping;
INSERT INTO `project.ledger.customer`
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
  (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_customer),
  (SELECT COUNTIF(is_change AND operation = 'update') FROM change_customer),
  (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_customer),
  (SELECT COUNTIF(is_change AND is_event) FROM change_customer),
  (SELECT COUNTIF(is_contested) FROM change_customer),
  v_followed,
  v_vanished,
  (SELECT COUNT(link_problem) FROM `project.identity.customer`),
  v_newly_bad;
COMMIT TRANSACTION;

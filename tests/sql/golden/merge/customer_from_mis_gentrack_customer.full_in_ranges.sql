-- customer/from_mis_gentrack_customer: batches 7 of mis/gentrack_customer, one transaction.
DECLARE v_first_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
BEGIN TRANSACTION;
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
UPDATE `project.ledger.account` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.customer` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_first_number = (SELECT change_number + 1 FROM `project.ledger.customer` WHERE name = 'entity');
SET v_changed_at = (
  SELECT GREATEST(CURRENT_TIMESTAMP(), MAX(changed_at))
  FROM (
    SELECT changed_at FROM `project.ledger.account` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.customer` WHERE name = 'entity'
  )
);
SET v_salt = (SELECT salt FROM `project.identity.salt`);
ASSERT v_first_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';
-- Two rows of one picture of the source under one key of ours would become one without a sound. (Ranges are pictures
-- of several moments: what moved between them is in the catch-up, or no longer there.)
ASSERT NOT EXISTS (
  SELECT 1
  FROM (
    SELECT 7 AS _batch, 0 AS _layer, UPPER(RTRIM(`CustomerRef`, ' ')) AS _source_key
    FROM `project.staging.mis_gentrack_customer__7`
    WHERE UPPER(RTRIM(`CustomerRef`, ' ')) NOT IN (SELECT UPPER(RTRIM(`CustomerRef`, ' ')) FROM `project.staging.mis_gentrack_customer__7_catch_up`)
    UNION ALL
    SELECT 7 AS _batch, 1 AS _layer, UPPER(RTRIM(`CustomerRef`, ' ')) AS _source_key
    FROM `project.staging.mis_gentrack_customer__7_catch_up`
  )
  WHERE _source_key IS NOT NULL
  GROUP BY _batch, _layer, _source_key
  HAVING COUNT(*) > 1
) AS 'Rule: two rows of one batch of mis/gentrack_customer have one key';
-- The newest row of each source key, through the mapping. The order is total: batch, layer, position, every column.
CREATE TEMP TABLE incoming AS
SELECT
  _batch,
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
    UPPER(RTRIM(`CustomerRef`, ' ')) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    NULLIF(TRIM(SPLIT(FullName, ',')[SAFE_OFFSET(1)]), '')  AS given_name,
    NULLIF(TRIM(SPLIT(FullName, ',')[SAFE_OFFSET(0)]), '')  AS family_name,
    NULLIF(TRIM(Email), '')                                 AS email,
    NULLIF(DATE(BirthDate), DATE '1753-01-01')              AS birth_date,
    CAST(NULL AS TIMESTAMP)                                 AS registered_at,
    NOT IsDeleted                                           AS is_present
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      CAST(NULL AS BYTES) AS _order,
      FALSE AS _gone,
      `CustomerRef`,
      `FullName`,
      `Email`,
      `BirthDate`,
      `IsDeleted`
    FROM `project.staging.mis_gentrack_customer__7`
    UNION ALL
    SELECT
      7 AS _batch,
      1 AS _layer,
      CAST(NULL AS BYTES) AS _order,
      COALESCE(`_is_gone`, FALSE) AS _gone,
      `CustomerRef`,
      `FullName`,
      `Email`,
      `BirthDate`,
      `IsDeleted`
    FROM `project.staging.mis_gentrack_customer__7_catch_up`
  ) AS `mis_gentrack_customer`
)
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY _source_key
  ORDER BY _batch DESC, _layer DESC, _position DESC, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`, is_present, same_as, taken_over_at
) = 1;
ASSERT (SELECT COUNT(*) = 0 FROM incoming WHERE _source_key IS NULL)
AS 'Rule: a row of mis/gentrack_customer has no key';
ASSERT (SELECT COUNT(*) = 0 FROM incoming WHERE is_present IS NULL AND NOT _is_gone)
AS 'Rule: is_present is NULL for a row of mis/gentrack_customer, the mapping must decide what a missing value means';
-- Who is there: judged by batch 7, the last that looked at every key. Absence there beats a row.
CREATE TEMP TABLE seen AS
SELECT _source_key FROM incoming WHERE _batch >= 7
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
    WHERE c.system = 'mis' AND c.id_space = 'gentrack_customer'
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
ON t.system = 'mis' AND t.id_space = 'gentrack_customer' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `given_name` = s.`given_name`, `family_name` = s.`family_name`, `email` = s.`email`, `birth_date` = s.`birth_date`, `registered_at` = s.`registered_at`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`, `same_as`, `taken_over_at`)
VALUES
  ('mis', 'gentrack_customer', s._source_key, s._batch, s.is_present, s.`given_name`, s.`family_name`, s.`email`, s.`birth_date`, s.`registered_at`, s.`same_as`, s.`taken_over_at`);
CREATE TEMP TABLE stirred_customer (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
INSERT INTO `project.identity.customer`
  (system, id_space, source_key, own_key, first_number, `customer_key`, is_linked)
SELECT
  'mis',
  'gentrack_customer',
  c._source_key,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', 'mis', '\x1f', 'gentrack_customer', '\x1f', c._source_key))), 1, 32),
  v_first_number,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', 'mis', '\x1f', 'gentrack_customer', '\x1f', c._source_key))), 1, 32),
  FALSE
FROM conforming AS c
LEFT JOIN `project.identity.customer` AS i
  ON i.system = 'mis' AND i.id_space = 'gentrack_customer' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE joined_anew (`customer_key` STRING);
IF EXISTS (
  SELECT 1
  FROM conforming AS c
  JOIN `project.identity.customer` AS i
    ON i.link_system = 'mis' AND i.link_id_space = 'gentrack_customer' AND i.link_key = c._source_key
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
  WHERE c.root IS NOT NULL
    AND (NOT c.is_linked);
CREATE TEMP TABLE link_decision AS
  SELECT n.key_after AS customer_key, CASE WHEN n.taken_over_at IS NOT NULL THEN n.system ELSE COALESCE(m.system, t.system) END AS system
  FROM link_news AS n
  LEFT JOIN `project.migration.authority` AS m ON m.customer_key = n.target_key_before AND m.until IS NULL
  LEFT JOIN `project.conformed.customer` AS t
    ON t.system = n.target_system AND t.id_space = n.target_id_space AND t.source_key = n.target_key AND t.is_present
  WHERE n.taken_over_at IS NOT NULL OR m.system IS NOT NULL OR t.system IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY n.key_after ORDER BY n.taken_over_at IS NULL, n.taken_over_at DESC, n.first_number, n.own_key
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
  ON i.system = 'mis' AND i.id_space = 'gentrack_customer' AND i.source_key = c._source_key
UNION DISTINCT
SELECT `customer_key` FROM joined_anew
;
CREATE TEMP TABLE first_decision AS
SELECT
  customer_key,
  CASE rank WHEN 1 THEN 'sse' WHEN 2 THEN 'mis' WHEN 3 THEN 'platform' END AS system,
  decided_by
FROM (
  SELECT
    i.customer_key,
    MIN(CASE c.system WHEN 'sse' THEN 1 WHEN 'mis' THEN 2 WHEN 'platform' THEN 3 END) AS rank,
    IF(ANY_VALUE(m.system) IS NULL, 'precedence', 'unlink') AS decided_by
  FROM affected_customer AS a
  JOIN `project.identity.customer` AS i ON i.customer_key = a.customer_key
  LEFT JOIN `project.conformed.customer` AS c
    ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
  LEFT JOIN `project.migration.authority` AS m ON m.customer_key = i.customer_key AND m.until IS NULL
  GROUP BY i.customer_key
  HAVING COUNT(c.system) > 0 AND (COUNT(m.system) = 0 OR COUNTIF(i.system = m.system) = 0)
);
UPDATE `project.migration.authority` AS m
SET until = v_changed_at
WHERE m.until IS NULL
  AND EXISTS (SELECT 1 FROM first_decision AS d WHERE d.customer_key = m.customer_key AND d.system <> m.system);
INSERT INTO `project.migration.authority` (customer_key, system, since, decided_by, move_id)
SELECT d.customer_key, d.system, v_changed_at, d.decided_by, NULL
FROM first_decision AS d
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = d.customer_key AND m.until IS NULL
WHERE m.customer_key IS NULL;
-- customer: every record that could speak for an affected key, its references as keys. A parent may be late: its
-- key is known. The customer's system speaks if it has this entity, else precedence; of two records the lowest source
-- key. What differs from the present row, column by column, is a change.
CREATE TEMP TABLE change_customer AS
WITH candidate AS (
  SELECT
    i.`customer_key`,
    c.system,
    c.id_space,
    c.source_key,
    c.`given_name`,
    c.`family_name`,
    c.`email`,
    c.`birth_date`,
    c.`registered_at`,
    CASE c.system WHEN 'sse' THEN 1 WHEN 'mis' THEN 2 WHEN 'platform' THEN 3 END AS rank
  FROM affected_customer AS a
  JOIN `project.identity.customer` AS i ON i.`customer_key` = a.`customer_key`
  JOIN `project.conformed.customer` AS c
    ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
  WHERE c.is_present
), winner AS (
  SELECT
    c.*,
    COUNT(*) OVER (PARTITION BY c.`customer_key`, c.rank) AS rivals
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN ('sse', 'mis', 'platform')
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
    COALESCE(w.rivals, 1) > 1 AS is_contested,
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
SELECT
  (SELECT change_number FROM `project.ledger.customer` WHERE name = 'entity')
    + ROW_NUMBER() OVER (PARTITION BY is_change ORDER BY `customer_key`) AS change_number,
  compared.*
FROM compared
WHERE is_change OR is_contested;
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
INSERT INTO `project.change_log.customer`
  (change_number, changed_at, operation, is_event, `customer_key`, source_system, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
SELECT change_number, v_changed_at, operation, is_event, `customer_key`, source_system, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`
FROM change_customer
WHERE is_change;
MERGE `project.common_model.customer` AS t
USING (SELECT * FROM change_customer WHERE is_change) AS s
ON t.`customer_key` = s.`customer_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `given_name` = s.`given_name`, `family_name` = s.`family_name`, `email` = s.`email`, `birth_date` = s.`birth_date`, `registered_at` = s.`registered_at`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`customer_key`, source_system, change_number, changed_at, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
VALUES
  (s.`customer_key`, s.source_system, s.change_number, v_changed_at, s.`given_name`, s.`family_name`, s.`email`, s.`birth_date`, s.`registered_at`);
UPDATE `project.ledger.customer`
SET change_number = change_number + (SELECT COUNT(*) FROM change_customer WHERE is_change), changed_at = v_changed_at
WHERE name = 'entity';
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
-- account: every record that could speak for an affected key, its references as keys. A parent may be late: its
-- key is known. The customer's system speaks if it has this entity, else precedence; of two records the lowest source
-- key. What differs from the present row, column by column, is a change.
CREATE TEMP TABLE change_account AS
WITH candidate AS (
  SELECT
    i.`account_key`,
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
  FROM affected_account AS a
  JOIN `project.identity.account` AS i ON i.`account_key` = a.`account_key`
  JOIN `project.conformed.account` AS c
    ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
  LEFT JOIN `project.identity.customer` AS `p_customer_id`
  ON `p_customer_id`.system = c.system
  AND `p_customer_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END)
  AND `p_customer_id`.source_key = c.`customer_id`
  WHERE c.is_present
), winner AS (
  SELECT
    c.*,
    COUNT(*) OVER (PARTITION BY c.`account_key`, c.rank) AS rivals
  FROM candidate AS c
  LEFT JOIN `project.migration.authority` AS m
    ON m.customer_key = c.`customer_key` AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN ('sse', 'mis', 'platform')
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
    COALESCE(w.rivals, 1) > 1 AS is_contested,
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
SELECT
  (SELECT change_number FROM `project.ledger.account` WHERE name = 'entity')
    + ROW_NUMBER() OVER (PARTITION BY is_change ORDER BY `account_key`) AS change_number,
  compared.*
FROM compared
WHERE is_change OR is_contested;
INSERT INTO `project.change_log.account`
  (change_number, changed_at, operation, is_event, `account_key`, source_system, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`)
SELECT change_number, v_changed_at, operation, is_event, `account_key`, source_system, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`
FROM change_account
WHERE is_change;
MERGE `project.common_model.account` AS t
USING (SELECT * FROM change_account WHERE is_change) AS s
ON t.`account_key` = s.`account_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `customer_key` = s.`customer_key`, `account_number` = s.`account_number`, `balance_gbp` = s.`balance_gbp`, `opened_on` = s.`opened_on`, `closed_on` = s.`closed_on`, `address` = s.`address`, `postcode` = s.`postcode`
WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  (`account_key`, source_system, change_number, changed_at, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`)
VALUES
  (s.`account_key`, s.source_system, s.change_number, v_changed_at, s.`customer_key`, s.`account_number`, s.`balance_gbp`, s.`opened_on`, s.`closed_on`, s.`address`, s.`postcode`);
UPDATE `project.ledger.account`
SET change_number = change_number + (SELECT COUNT(*) FROM change_account WHERE is_change), changed_at = v_changed_at
WHERE name = 'entity';
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_account WHERE is_change);
END IF;
-- Progress, in the same transaction as the data that it describes.
MERGE `project.ledger.customer` AS t
USING (
  SELECT
    (SELECT COUNT(*) FROM incoming) AS rows_taken,
    (SELECT COUNT(*) FROM conforming) AS rows_conformed,
    (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_customer) AS inserted,
    (SELECT COUNTIF(is_change AND operation = 'update') FROM change_customer) AS updated,
    (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_customer) AS removed,
    (SELECT COUNTIF(is_change AND is_event) FROM change_customer) AS events,
    (SELECT COUNTIF(is_contested) FROM change_customer) AS contested,
    v_followed AS followed,
    (SELECT COUNT(link_problem) FROM `project.identity.customer`) AS unsettled
) AS s
ON t.name = @mapping
WHEN MATCHED THEN UPDATE SET
  batch = @batch, mapping_hash = @mapping_hash, merged_at = v_changed_at, run_id = @run_id, attempt = @attempt,
  rows_taken = s.rows_taken,
  rows_conformed = s.rows_conformed,
  inserted = s.inserted,
  updated = s.updated,
  removed = s.removed,
  events = s.events,
  contested = s.contested,
  followed = s.followed,
  unsettled = s.unsettled
WHEN NOT MATCHED THEN INSERT
  (name, batch, mapping_hash, merged_at, run_id, attempt, rows_taken, rows_conformed, inserted, updated, removed, events, contested, followed, unsettled)
VALUES
  (@mapping, @batch, @mapping_hash, v_changed_at, @run_id, @attempt, s.rows_taken, s.rows_conformed, s.inserted, s.updated, s.removed, s.events, s.contested, s.followed, s.unsettled);
COMMIT TRANSACTION;

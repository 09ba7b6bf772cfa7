-- account/from_sse_account: batches 7 of sse/account, one transaction.
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
  FROM `project.ledger.account` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_first_number = (SELECT change_number + 1 FROM `project.ledger.account` WHERE name = 'entity');
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
    SELECT 7 AS _batch, 0 AS _layer, UPPER(RTRIM(`AccountNo`, ' ')) AS _source_key
    FROM `project.staging.sse_account__7`
  )
  WHERE _source_key IS NOT NULL
  GROUP BY _batch, _layer, _source_key
  HAVING COUNT(*) > 1
) AS 'Rule: two rows of one batch of sse/account have one key';
-- Keys of batches that the next transactions take: whatever is here of them is older.
CREATE TEMP TABLE later_keys AS
SELECT UPPER(RTRIM(`AccountNo`, ' ')) AS _source_key FROM `project.staging.sse_account__8` WHERE UPPER(RTRIM(`AccountNo`, ' ')) IS NOT NULL
;
-- The newest row of each source key, through the mapping. The order is total: batch, layer, position, every column.
CREATE TEMP TABLE incoming AS
SELECT
  _batch,
  _source_key,
  _is_gone,
  same_as,
  taken_over_at,
  CAST(`customer_id` AS STRING) AS `customer_id`,
  `account_number`,
  `balance_gbp`,
  `opened_on`,
  `closed_on`,
  `address`,
  `postcode`,
  is_present
FROM (
  SELECT
    _batch,
    _layer,
    UPPER(RTRIM(`AccountNo`, ' ')) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    TRUE AS is_present,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    CustomerId                               AS customer_id,
    TRIM(AccountNo)                          AS account_number,
    Balance                                  AS balance_gbp,
    OpenedOn                                 AS opened_on,
    NULLIF(ClosedOn, DATE '9999-12-31')      AS closed_on,
    NULLIF(TRIM(AddressLine1), '')           AS address,
    NULLIF(TRIM(Postcode), '')               AS postcode
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `AccountNo`,
      `CustomerId`,
      `Balance`,
      `OpenedOn`,
      `ClosedOn`,
      `AddressLine1`,
      `Postcode`,
      `RowVer`
    FROM `project.staging.sse_account__7`
  ) AS `sse_account`
)
WHERE _source_key IS NULL OR _source_key NOT IN (SELECT _source_key FROM later_keys)
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY _source_key
  ORDER BY _batch DESC, _layer DESC, _position DESC, `customer_id`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`, is_present, same_as, taken_over_at
) = 1;
ASSERT (SELECT COUNT(*) = 0 FROM incoming WHERE _source_key IS NULL)
AS 'Rule: a row of sse/account has no key';
ASSERT (SELECT COUNT(*) = 0 FROM incoming WHERE is_present IS NULL AND NOT _is_gone)
AS 'Rule: is_present is NULL for a row of sse/account, the mapping must decide what a missing value means';
-- What differs from what this system said before, column by column: a batch that changes nothing writes nothing.
CREATE TEMP TABLE conforming AS
SELECT * FROM (
  SELECT
    COALESCE(i._source_key, t.source_key) AS _source_key,
    i._source_key IS NOT NULL AS _has_row,
    t.source_key IS NOT NULL AS _is_known,
    COALESCE(i._is_gone, FALSE) AS _is_gone,
    i._batch,
    i.`customer_id`,
    i.`account_number`,
    i.`balance_gbp`,
    i.`opened_on`,
    i.`closed_on`,
    i.`address`,
    i.`postcode`,
    i.`same_as`,
    i.`taken_over_at`,
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`customer_id` IS DISTINCT FROM i.`customer_id`
      OR t.`account_number` IS DISTINCT FROM i.`account_number`
      OR t.`balance_gbp` IS DISTINCT FROM i.`balance_gbp`
      OR t.`opened_on` IS DISTINCT FROM i.`opened_on`
      OR t.`closed_on` IS DISTINCT FROM i.`closed_on`
      OR t.`address` IS DISTINCT FROM i.`address`
      OR t.`postcode` IS DISTINCT FROM i.`postcode`
      OR t.`same_as` IS DISTINCT FROM i.`same_as`
      OR t.`taken_over_at` IS DISTINCT FROM i.`taken_over_at`
      AS _differs
  FROM incoming AS i
  LEFT JOIN (
    SELECT * FROM `project.conformed.account` AS c
    WHERE c.system = 'sse' AND c.id_space = 'account'
  ) AS t ON t.source_key = i._source_key
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
MERGE `project.conformed.account` AS t
USING conforming AS s
ON t.system = 'sse' AND t.id_space = 'account' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `customer_id` = s.`customer_id`, `account_number` = s.`account_number`, `balance_gbp` = s.`balance_gbp`, `opened_on` = s.`opened_on`, `closed_on` = s.`closed_on`, `address` = s.`address`, `postcode` = s.`postcode`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `customer_id`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`, `same_as`, `taken_over_at`)
VALUES
  ('sse', 'account', s._source_key, s._batch, s.is_present, s.`customer_id`, s.`account_number`, s.`balance_gbp`, s.`opened_on`, s.`closed_on`, s.`address`, s.`postcode`, s.`same_as`, s.`taken_over_at`);
INSERT INTO `project.identity.account`
  (system, id_space, source_key, own_key, first_number, `account_key`, is_linked)
SELECT
  'sse',
  'account',
  c._source_key,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'account', '\x1f', 'sse', '\x1f', 'account', '\x1f', c._source_key))), 1, 32),
  v_first_number,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'account', '\x1f', 'sse', '\x1f', 'account', '\x1f', c._source_key))), 1, 32),
  FALSE
FROM conforming AS c
LEFT JOIN `project.identity.account` AS i
  ON i.system = 'sse' AND i.id_space = 'account' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE joined_anew (`account_key` STRING);
IF EXISTS (
  SELECT 1
  FROM conforming AS c
  JOIN `project.identity.account` AS i
    ON i.link_system = 'sse' AND i.link_id_space = 'account' AND i.link_key = c._source_key
  WHERE NOT c._is_known
) THEN
  -- From each record that links to a known one, step by step to the end; round a cycle it comes back to itself.
  CREATE TEMP TABLE walk AS
  WITH RECURSIVE link AS (
    SELECT CONCAT(i.system, '/', i.id_space, '/', i.source_key) AS node, CONCAT(i.link_system, '/', i.link_id_space, '/', i.link_key) AS target
    FROM `project.identity.account` AS i
    JOIN `project.identity.account` AS t
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
    SELECT i.*, CONCAT(i.system, '/', i.id_space, '/', i.source_key) AS node, c.root, i.`account_key` AS key_before
    FROM `project.identity.account` AS i
    LEFT JOIN chained AS c ON c.node = CONCAT(i.system, '/', i.id_space, '/', i.source_key)
    WHERE i.is_linked
      OR i.link_key IS NOT NULL
      OR i.own_key <> i.`account_key`
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
    t.`account_key` AS target_key_before,
    t.system AS target_system,
    t.id_space AS target_id_space,
    t.source_key AS target_key
  FROM component AS c
  JOIN `project.identity.account` AS t
    ON t.system = c.link_system AND t.id_space = c.link_id_space AND t.source_key = c.link_key
  WHERE c.root IS NOT NULL
    AND (NOT c.is_linked);
  INSERT INTO joined_anew (`account_key`)
  SELECT key_before FROM component WHERE key_before <> key_after OR is_linked <> (root IS NOT NULL)
  UNION DISTINCT
  SELECT key_after FROM component WHERE key_before <> key_after OR is_linked <> (root IS NOT NULL)
  UNION DISTINCT
  SELECT key_after FROM link_news;
  MERGE `project.identity.account` AS t
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
  ) THEN UPDATE SET `account_key` = s.key_after, is_linked = s.root IS NOT NULL, link_problem = s.problem_after;
END IF;
CREATE TEMP TABLE affected_account AS
SELECT i.`account_key`
FROM conforming AS c
JOIN `project.identity.account` AS i
  ON i.system = 'sse' AND i.id_space = 'account' AND i.source_key = c._source_key
UNION DISTINCT
SELECT `account_key` FROM joined_anew
;
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
-- Progress, in the same transaction as the data that it describes.
MERGE `project.ledger.account` AS t
USING (
  SELECT
    (SELECT COUNT(*) FROM incoming) AS rows_taken,
    (SELECT COUNT(*) FROM conforming) AS rows_conformed,
    (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_account) AS inserted,
    (SELECT COUNTIF(is_change AND operation = 'update') FROM change_account) AS updated,
    (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_account) AS removed,
    (SELECT COUNTIF(is_change AND is_event) FROM change_account) AS events,
    (SELECT COUNTIF(is_contested) FROM change_account) AS contested,
    v_followed AS followed,
    (SELECT COUNT(link_problem) FROM `project.identity.account`) AS unsettled
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

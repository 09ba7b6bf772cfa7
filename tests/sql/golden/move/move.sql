-- A move: another system speaks for these customers from now on, for all of them or for none.
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
BEGIN TRANSACTION;
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
UPDATE `project.ledger.account` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that it is done, and does nothing.
ASSERT NOT EXISTS (SELECT 1 FROM `project.migration.move` WHERE move_id = @move_id)
AS 'Rule: this move has been made already';
SET v_changed_at = (
  SELECT GREATEST(CURRENT_TIMESTAMP(), MAX(changed_at))
  FROM (
    SELECT changed_at FROM `project.ledger.account` WHERE name = 'entity'
    UNION ALL
    SELECT changed_at FROM `project.ledger.customer` WHERE name = 'entity'
  )
);
SET v_salt = (SELECT salt FROM `project.identity.salt`);
ASSERT v_changed_at IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: a ledger or the salt is empty, restore the table';
-- Whose ids these are: each once, as `identity` writes it.
CREATE TEMP TABLE asked AS
SELECT a.id, i.customer_key
FROM (SELECT DISTINCT id FROM UNNEST(SPLIT(@ids, '\n')) AS id) AS a
LEFT JOIN (
  SELECT DISTINCT customer_key AS id, customer_key FROM `project.identity.customer`
) AS i ON i.id = a.id;
-- What each system says that these customers owe on their open accounts. An account of which it is not known is none.
CREATE TEMP TABLE open_balance AS
SELECT p.customer_key, c.system, SUM(c.`balance_gbp`) AS balance
FROM `project.conformed.account` AS c
JOIN `project.identity.customer` AS p
  ON p.system = c.system AND p.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END) AND p.source_key = c.`customer_id`
WHERE c.is_present AND c.`closed_on` IS NULL
  AND p.customer_key IN (SELECT customer_key FROM asked)
GROUP BY p.customer_key, c.system
HAVING SUM(c.`balance_gbp`) <> 0;
-- How each customer stands towards the move. (Not ready: nothing in the other system yet, or other open balances there.)
CREATE TEMP TABLE standing AS
SELECT
  k.customer_key,
  m.system AS from_system,
  m.since,
  CASE
    WHEN m.system = @to_system THEN 'already there'
    WHEN m.system IS NULL THEN 'nobody speaks'
    WHEN t.customer_key IS NULL THEN 'no present record'
    WHEN NOT @ignore_balances AND f.balance IS DISTINCT FROM n.balance THEN 'balance differs'
    ELSE 'ready'
  END AS standing
FROM (SELECT DISTINCT customer_key FROM asked WHERE customer_key IS NOT NULL) AS k
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = k.customer_key AND m.until IS NULL
LEFT JOIN (
  SELECT DISTINCT i.customer_key
  FROM `project.identity.customer` AS i
  JOIN `project.conformed.customer` AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
  WHERE i.system = @to_system AND c.is_present
) AS t ON t.customer_key = k.customer_key
LEFT JOIN open_balance AS f ON f.customer_key = k.customer_key AND f.system = m.system
LEFT JOIN open_balance AS n ON n.customer_key = k.customer_key AND n.system = @to_system
;
ASSERT (SELECT COUNT(*) = @customers AND COUNTIF(s.standing = 'ready') = @customers FROM standing AS s)
AS 'Rule: who can be moved is no longer what the report says';
CREATE TEMP TABLE moving AS
SELECT customer_key, from_system, since, @to_system AS system FROM standing;
INSERT INTO `project.migration.moved_customer` (move_id, customer_key, from_system, to_system, since, restores)
SELECT CAST(@move_id AS STRING), customer_key, from_system, system, since, CAST(NULL AS TIMESTAMP) FROM moving;
UPDATE `project.migration.authority` AS m
SET until = v_changed_at
WHERE m.until IS NULL
  AND EXISTS (SELECT 1 FROM moving AS d WHERE d.customer_key = m.customer_key AND d.system <> m.system);
INSERT INTO `project.migration.authority` (customer_key, system, since, decided_by, move_id)
SELECT d.customer_key, d.system, v_changed_at, 'move', CAST(@move_id AS STRING)
FROM moving AS d
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = d.customer_key AND m.until IS NULL
WHERE m.customer_key IS NULL;
CREATE TEMP TABLE effect (entity STRING, what STRING, name STRING, number INT64);
CREATE TEMP TABLE stirred_customer (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
INSERT INTO stirred_customer (system, id_space, source_key, is_rekeyed)
SELECT i.system, i.id_space, i.source_key, FALSE
FROM `project.identity.customer` AS i
JOIN moving AS g ON g.customer_key = i.customer_key;
CREATE TEMP TABLE affected_customer AS SELECT customer_key FROM moving;
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
INSERT INTO effect (entity, what, name, number)
SELECT 'customer', 'count', name, number
FROM (
  SELECT
    COUNTIF(operation = 'insert') AS inserted,
    COUNTIF(operation = 'update') AS updated,
    COUNTIF(operation = 'delete') AS vanished,
    COUNTIF(is_event) AS events
  FROM change_customer
  WHERE is_change
)
UNPIVOT (number FOR name IN (inserted, updated, vanished, events));
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
INSERT INTO effect (entity, what, name, number)
SELECT 'account', 'count', name, number
FROM (
  SELECT
    COUNTIF(operation = 'insert') AS inserted,
    COUNTIF(operation = 'update') AS updated,
    COUNTIF(operation = 'delete') AS vanished,
    COUNTIF(is_event) AS events
  FROM change_account
  WHERE is_change
)
UNPIVOT (number FOR name IN (inserted, updated, vanished, events));
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
-- What was approved is what is done, to the last number.
ASSERT (
  SELECT SUM(IF(name IN ('inserted', 'updated', 'vanished'), number, 0)) = @changes
    AND SUM(IF(name = 'events', number, 0)) = @events
    AND SUM(IF(name = 'vanished', number, 0)) = @vanishing
  FROM effect
) AS 'Rule: what it would change is no longer what the report says';
INSERT INTO `project.migration.move`
  (move_id, kind, rolls_back, to_system, reason, requested_by, approved_by, decided_at, customers, cohort_hash, changes, events, vanished, run_id, attempt)
VALUES
  (@move_id, 'move', NULL, @to_system, @reason, @requested_by, @approved_by, v_changed_at, @customers, @cohort_hash, @changes, @events, @vanishing, @run_id, @attempt);
COMMIT TRANSACTION;

-- A move: another system speaks for these customers from now on, for all of them or for none.
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_vanished INT64 DEFAULT 0;
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
-- A retry after a lost reply finds that it is done, and does nothing.
ASSERT NOT EXISTS (SELECT 1 FROM `project.migration.move` WHERE move_id = @move_id)
AS 'Rule: this move has been made already';
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
-- How each customer stands towards the move. (Not ready: nothing in the other system yet, two records there, of which one
-- would be left out, or other open balances.)
CREATE TEMP TABLE standing AS
SELECT
  k.customer_key,
  m.system AS from_system,
  m.since,
  CASE
    WHEN m.system = @to_system THEN 'already there'
    WHEN m.system IS NULL THEN 'nobody speaks'
    WHEN t.customer_key IS NULL THEN 'no present record'
    WHEN t.records > 1 THEN 'two records there'
    WHEN NOT @ignore_balances AND f.balance IS DISTINCT FROM n.balance THEN 'balance differs'
    ELSE 'ready'
  END AS standing
FROM (SELECT DISTINCT customer_key FROM asked WHERE customer_key IS NOT NULL) AS k
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = k.customer_key AND m.until IS NULL
LEFT JOIN (
  SELECT i.customer_key, COUNT(*) AS records
  FROM `project.identity.customer` AS i
  JOIN `project.conformed.customer` AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
  WHERE i.system = @to_system AND c.is_present
  GROUP BY i.customer_key
) AS t ON t.customer_key = k.customer_key
LEFT JOIN open_balance AS f ON f.customer_key = k.customer_key AND f.system = m.system
LEFT JOIN open_balance AS n ON n.customer_key = k.customer_key AND n.system = @to_system
;
ASSERT (SELECT COUNT(*) = @customers AND COUNTIF(s.standing = 'ready') = @customers FROM standing AS s)
AS 'Rule: who can be moved is no longer what the report says';
CREATE TEMP TABLE moving AS
SELECT customer_key, from_system, since, CAST(@to_system AS STRING) AS system FROM standing;
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
-- customer: every record that could speak for an affected key.
CREATE TEMP TABLE record_customer AS
SELECT i.`customer_key`, i.system, i.id_space, i.source_key
FROM affected_customer AS a
JOIN `project.identity.customer` AS i ON i.`customer_key` = a.`customer_key`;
CREATE TEMP TABLE says_customer AS
SELECT i.*, c.`given_name`, c.`family_name`, c.`email`, c.`birth_date`, c.`registered_at`
FROM record_customer AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.customer` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse', 'mis', 'platform');
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
INSERT INTO effect (entity, what, name, number)
SELECT 'contact', 'count', name, number
FROM (
  SELECT
    COUNTIF(operation = 'insert') AS inserted,
    COUNTIF(operation = 'update') AS updated,
    COUNTIF(operation = 'delete') AS vanished,
    COUNTIF(is_event) AS events
  FROM change_contact
  WHERE is_change
)
UNPIVOT (number FOR name IN (inserted, updated, vanished, events));
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
INSERT INTO effect (entity, what, name, number)
SELECT 'contact_preference', 'count', name, number
FROM (
  SELECT
    COUNTIF(operation = 'insert') AS inserted,
    COUNTIF(operation = 'update') AS updated,
    COUNTIF(operation = 'delete') AS vanished,
    COUNTIF(is_event) AS events
  FROM change_contact_preference
  WHERE is_change
)
UNPIVOT (number FOR name IN (inserted, updated, vanished, events));
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
INSERT INTO effect (entity, what, name, number)
SELECT 'interaction', 'count', name, number
FROM (
  SELECT
    COUNTIF(operation = 'insert') AS inserted,
    COUNTIF(operation = 'update') AS updated,
    COUNTIF(operation = 'delete') AS vanished,
    COUNTIF(is_event) AS events
  FROM change_interaction
  WHERE is_change
)
UNPIVOT (number FOR name IN (inserted, updated, vanished, events));
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
INSERT INTO effect (entity, what, name, number)
SELECT 'priority_service', 'count', name, number
FROM (
  SELECT
    COUNTIF(operation = 'insert') AS inserted,
    COUNTIF(operation = 'update') AS updated,
    COUNTIF(operation = 'delete') AS vanished,
    COUNTIF(is_event) AS events
  FROM change_priority_service
  WHERE is_change
)
UNPIVOT (number FOR name IN (inserted, updated, vanished, events));
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
INSERT INTO effect (entity, what, name, number)
SELECT 'agreement', 'count', name, number
FROM (
  SELECT
    COUNTIF(operation = 'insert') AS inserted,
    COUNTIF(operation = 'update') AS updated,
    COUNTIF(operation = 'delete') AS vanished,
    COUNTIF(is_event) AS events
  FROM change_agreement
  WHERE is_change
)
UNPIVOT (number FOR name IN (inserted, updated, vanished, events));
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

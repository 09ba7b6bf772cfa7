-- What the roll-back of a move would change: by the statements that would change it, but on temporary tables, in no
-- transaction, and with the decision as it would be.
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_moved_at TIMESTAMP;
SET v_moved_at = (SELECT decided_at FROM `project.migration.move` WHERE move_id = @rolls_back);
SET v_salt = (SELECT salt FROM `project.identity.salt`);
CREATE TEMP TABLE moving AS
SELECT customer_key, from_system AS to_system FROM `project.migration.moved_customer` WHERE move_id = @rolls_back;
CREATE TEMP TABLE `authority_then` AS
SELECT m.customer_key, COALESCE(g.to_system, m.system) AS system, m.until
FROM `project.migration.authority` AS m
LEFT JOIN moving AS g ON g.customer_key = m.customer_key
WHERE m.until IS NULL;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'customer', 'column', name, number
FROM (
  SELECT
    COUNTIF(c.`given_name` IS DISTINCT FROM p.`given_name`) AS `given_name`,
    COUNTIF(c.`family_name` IS DISTINCT FROM p.`family_name`) AS `family_name`,
    COUNTIF(c.`email` IS DISTINCT FROM p.`email`) AS `email`,
    COUNTIF(c.`birth_date` IS DISTINCT FROM p.`birth_date`) AS `birth_date`,
    COUNTIF(c.`registered_at` IS DISTINCT FROM p.`registered_at`) AS `registered_at`
  FROM change_customer AS c
  JOIN `project.common_model.customer` AS p ON p.`customer_key` = c.`customer_key`
  WHERE c.is_change AND c.operation = 'update'
)
UNPIVOT (number FOR name IN (`given_name`, `family_name`, `email`, `birth_date`, `registered_at`));
INSERT INTO effect (entity, what, name, number)
SELECT 'customer', 'vanishing', `customer_key`, 1
FROM change_customer
WHERE is_change AND operation = 'delete'
ORDER BY `customer_key`
LIMIT 20;
CREATE TEMP TABLE vanishing_customer AS
SELECT
  c.`customer_key` AS key,
  COALESCE(
    ARRAY_AGG(IF(l.changed_at < v_moved_at, l.operation, NULL) IGNORE NULLS ORDER BY l.change_number DESC LIMIT 1)[SAFE_OFFSET(0)]
      <> 'delete',
    FALSE
  ) AS was_there,
  COUNTIF(l.operation <> 'delete' AND l.changed_at <= v_moved_at) = 0 AS is_new
FROM change_customer AS c
JOIN `project.change_log.customer` AS l ON l.`customer_key` = c.`customer_key`
WHERE c.is_change AND c.operation = 'delete'
GROUP BY c.`customer_key`;
INSERT INTO effect (entity, what, name, number)
SELECT 'customer', 'count', 'opened', COUNTIF(is_new) FROM vanishing_customer
UNION ALL
SELECT 'customer', 'count', 'lost', COUNTIF(was_there) FROM vanishing_customer;
INSERT INTO effect (entity, what, name, number)
SELECT 'customer', 'opened_keys', key, 1 FROM vanishing_customer WHERE is_new ORDER BY key LIMIT 20;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'account', 'column', name, number
FROM (
  SELECT
    COUNTIF(c.`customer_key` IS DISTINCT FROM p.`customer_key`) AS `customer_key`,
    COUNTIF(c.`account_number` IS DISTINCT FROM p.`account_number`) AS `account_number`,
    COUNTIF(c.`balance_gbp` IS DISTINCT FROM p.`balance_gbp`) AS `balance_gbp`,
    COUNTIF(c.`opened_on` IS DISTINCT FROM p.`opened_on`) AS `opened_on`,
    COUNTIF(c.`closed_on` IS DISTINCT FROM p.`closed_on`) AS `closed_on`,
    COUNTIF(c.`address` IS DISTINCT FROM p.`address`) AS `address`,
    COUNTIF(c.`postcode` IS DISTINCT FROM p.`postcode`) AS `postcode`
  FROM change_account AS c
  JOIN `project.common_model.account` AS p ON p.`account_key` = c.`account_key`
  WHERE c.is_change AND c.operation = 'update'
)
UNPIVOT (number FOR name IN (`customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`));
INSERT INTO effect (entity, what, name, number)
SELECT 'account', 'vanishing', `account_key`, 1
FROM change_account
WHERE is_change AND operation = 'delete'
ORDER BY `account_key`
LIMIT 20;
CREATE TEMP TABLE vanishing_account AS
SELECT
  c.`account_key` AS key,
  COALESCE(
    ARRAY_AGG(IF(l.changed_at < v_moved_at, l.operation, NULL) IGNORE NULLS ORDER BY l.change_number DESC LIMIT 1)[SAFE_OFFSET(0)]
      <> 'delete',
    FALSE
  ) AS was_there,
  COUNTIF(l.operation <> 'delete' AND l.changed_at <= v_moved_at) = 0 AS is_new
FROM change_account AS c
JOIN `project.change_log.account` AS l ON l.`account_key` = c.`account_key`
WHERE c.is_change AND c.operation = 'delete'
GROUP BY c.`account_key`;
INSERT INTO effect (entity, what, name, number)
SELECT 'account', 'count', 'opened', COUNTIF(is_new) FROM vanishing_account
UNION ALL
SELECT 'account', 'count', 'lost', COUNTIF(was_there) FROM vanishing_account;
INSERT INTO effect (entity, what, name, number)
SELECT 'account', 'opened_keys', key, 1 FROM vanishing_account WHERE is_new ORDER BY key LIMIT 20;
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_account WHERE is_change);
END IF;
SELECT entity, what, name, number FROM effect ORDER BY entity, what, name;

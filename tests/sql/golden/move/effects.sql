-- What a move would change: by the statements that would change it, but on temporary tables, in no
-- transaction, and with the decision as it would be.
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_vanished INT64 DEFAULT 0;
SET v_salt = (SELECT salt FROM `project.identity.salt`);
CREATE TEMP TABLE moving AS
SELECT customer_key, CAST(@to_system AS STRING) AS to_system FROM UNNEST(SPLIT(@ids, '\n')) AS customer_key;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'customer', 'not_there', to_system, COUNT(*)
FROM moving
WHERE to_system NOT IN (
    SELECT CASE name WHEN 'from_mis_gentrack_customer' THEN 'mis' WHEN 'from_platform_customer' THEN 'platform' WHEN 'from_sse_customer' THEN 'sse' END
    FROM `project.ledger.customer`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_mis_gentrack_customer', 'from_platform_customer', 'from_sse_customer')
)
GROUP BY to_system;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'account', 'not_there', to_system, COUNT(*)
FROM moving
WHERE to_system NOT IN (
    SELECT CASE name WHEN 'from_mis_gentrack_account' THEN 'mis' WHEN 'from_platform_account' THEN 'platform' WHEN 'from_sse_account' THEN 'sse' END
    FROM `project.ledger.account`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_mis_gentrack_account', 'from_platform_account', 'from_sse_account')
)
GROUP BY to_system;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'contact', 'column', name, number
FROM (
  SELECT
    COUNTIF(c.`customer_key` IS DISTINCT FROM p.`customer_key`) AS `customer_key`,
    COUNTIF(c.`kind` IS DISTINCT FROM p.`kind`) AS `kind`,
    COUNTIF(c.`full_name` IS DISTINCT FROM p.`full_name`) AS `full_name`,
    COUNTIF(c.`phone` IS DISTINCT FROM p.`phone`) AS `phone`,
    COUNTIF(c.`email` IS DISTINCT FROM p.`email`) AS `email`,
    COUNTIF(c.`authorised_at` IS DISTINCT FROM p.`authorised_at`) AS `authorised_at`
  FROM change_contact AS c
  JOIN `project.common_model.contact` AS p ON p.`contact_key` = c.`contact_key`
  WHERE c.is_change AND c.operation = 'update'
)
UNPIVOT (number FOR name IN (`customer_key`, `kind`, `full_name`, `phone`, `email`, `authorised_at`));
INSERT INTO effect (entity, what, name, number)
SELECT 'contact', 'vanishing', `contact_key`, 1
FROM change_contact
WHERE is_change AND operation = 'delete'
ORDER BY `contact_key`
LIMIT 20;
INSERT INTO effect (entity, what, name, number)
SELECT 'contact', 'not_there', to_system, COUNT(*)
FROM moving
WHERE to_system NOT IN (
    SELECT CASE name WHEN 'from_sse_contact' THEN 'sse' END
    FROM `project.ledger.contact`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_contact')
)
GROUP BY to_system;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'contact_preference', 'column', name, number
FROM (
  SELECT
    COUNTIF(c.`customer_key` IS DISTINCT FROM p.`customer_key`) AS `customer_key`,
    COUNTIF(c.`channel` IS DISTINCT FROM p.`channel`) AS `channel`,
    COUNTIF(c.`purpose` IS DISTINCT FROM p.`purpose`) AS `purpose`,
    COUNTIF(c.`is_allowed` IS DISTINCT FROM p.`is_allowed`) AS `is_allowed`,
    COUNTIF(c.`decided_at` IS DISTINCT FROM p.`decided_at`) AS `decided_at`,
    COUNTIF(c.`told_by` IS DISTINCT FROM p.`told_by`) AS `told_by`
  FROM change_contact_preference AS c
  JOIN `project.common_model.contact_preference` AS p ON p.`contact_preference_key` = c.`contact_preference_key`
  WHERE c.is_change AND c.operation = 'update'
)
UNPIVOT (number FOR name IN (`customer_key`, `channel`, `purpose`, `is_allowed`, `decided_at`, `told_by`));
INSERT INTO effect (entity, what, name, number)
SELECT 'contact_preference', 'vanishing', `contact_preference_key`, 1
FROM change_contact_preference
WHERE is_change AND operation = 'delete'
ORDER BY `contact_preference_key`
LIMIT 20;
INSERT INTO effect (entity, what, name, number)
SELECT 'contact_preference', 'not_there', to_system, COUNT(*)
FROM moving
WHERE to_system NOT IN (
    SELECT CASE name WHEN 'from_sse_contact_preference' THEN 'sse' END
    FROM `project.ledger.contact_preference`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_contact_preference')
)
GROUP BY to_system;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'interaction', 'column', name, number
FROM (
  SELECT
    COUNTIF(c.`customer_key` IS DISTINCT FROM p.`customer_key`) AS `customer_key`,
    COUNTIF(c.`case_number` IS DISTINCT FROM p.`case_number`) AS `case_number`,
    COUNTIF(c.`subject` IS DISTINCT FROM p.`subject`) AS `subject`,
    COUNTIF(c.`status` IS DISTINCT FROM p.`status`) AS `status`,
    COUNTIF(c.`opened_at` IS DISTINCT FROM p.`opened_at`) AS `opened_at`,
    COUNTIF(c.`closed_at` IS DISTINCT FROM p.`closed_at`) AS `closed_at`
  FROM change_interaction AS c
  JOIN `project.common_model.interaction` AS p ON p.`interaction_key` = c.`interaction_key`
  WHERE c.is_change AND c.operation = 'update'
)
UNPIVOT (number FOR name IN (`customer_key`, `case_number`, `subject`, `status`, `opened_at`, `closed_at`));
INSERT INTO effect (entity, what, name, number)
SELECT 'interaction', 'vanishing', `interaction_key`, 1
FROM change_interaction
WHERE is_change AND operation = 'delete'
ORDER BY `interaction_key`
LIMIT 20;
INSERT INTO effect (entity, what, name, number)
SELECT 'interaction', 'not_there', to_system, COUNT(*)
FROM moving
WHERE to_system NOT IN (
    SELECT CASE name WHEN 'from_mis_salesforce_case' THEN 'mis' END
    FROM `project.ledger.interaction`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_mis_salesforce_case')
)
GROUP BY to_system;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'priority_service', 'column', name, number
FROM (
  SELECT
    COUNTIF(c.`customer_key` IS DISTINCT FROM p.`customer_key`) AS `customer_key`,
    COUNTIF(c.`needs_code` IS DISTINCT FROM p.`needs_code`) AS `needs_code`,
    COUNTIF(c.`details` IS DISTINCT FROM p.`details`) AS `details`,
    COUNTIF(c.`may_be_shared` IS DISTINCT FROM p.`may_be_shared`) AS `may_be_shared`,
    COUNTIF(c.`registered_on` IS DISTINCT FROM p.`registered_on`) AS `registered_on`,
    COUNTIF(c.`review_on` IS DISTINCT FROM p.`review_on`) AS `review_on`
  FROM change_priority_service AS c
  JOIN `project.common_model.priority_service` AS p ON p.`priority_service_key` = c.`priority_service_key`
  WHERE c.is_change AND c.operation = 'update'
)
UNPIVOT (number FOR name IN (`customer_key`, `needs_code`, `details`, `may_be_shared`, `registered_on`, `review_on`));
INSERT INTO effect (entity, what, name, number)
SELECT 'priority_service', 'vanishing', `priority_service_key`, 1
FROM change_priority_service
WHERE is_change AND operation = 'delete'
ORDER BY `priority_service_key`
LIMIT 20;
INSERT INTO effect (entity, what, name, number)
SELECT 'priority_service', 'not_there', to_system, COUNT(*)
FROM moving
WHERE to_system NOT IN (
    SELECT CASE name WHEN 'from_sse_priority_services' THEN 'sse' END
    FROM `project.ledger.priority_service`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_priority_services')
)
GROUP BY to_system;
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
  LEFT JOIN `authority_then` AS m
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
INSERT INTO effect (entity, what, name, number)
SELECT 'agreement', 'column', name, number
FROM (
  SELECT
    COUNTIF(c.`account_key` IS DISTINCT FROM p.`account_key`) AS `account_key`,
    COUNTIF(c.`supply_point_key` IS DISTINCT FROM p.`supply_point_key`) AS `supply_point_key`,
    COUNTIF(c.`tariff_code` IS DISTINCT FROM p.`tariff_code`) AS `tariff_code`,
    COUNTIF(c.`payment_method` IS DISTINCT FROM p.`payment_method`) AS `payment_method`,
    COUNTIF(c.`monthly_amount_gbp` IS DISTINCT FROM p.`monthly_amount_gbp`) AS `monthly_amount_gbp`,
    COUNTIF(c.`signed_at` IS DISTINCT FROM p.`signed_at`) AS `signed_at`,
    COUNTIF(c.`starts_on` IS DISTINCT FROM p.`starts_on`) AS `starts_on`,
    COUNTIF(c.`ends_on` IS DISTINCT FROM p.`ends_on`) AS `ends_on`
  FROM change_agreement AS c
  JOIN `project.common_model.agreement` AS p ON p.`agreement_key` = c.`agreement_key`
  WHERE c.is_change AND c.operation = 'update'
)
UNPIVOT (number FOR name IN (`account_key`, `supply_point_key`, `tariff_code`, `payment_method`, `monthly_amount_gbp`, `signed_at`, `starts_on`, `ends_on`));
INSERT INTO effect (entity, what, name, number)
SELECT 'agreement', 'vanishing', `agreement_key`, 1
FROM change_agreement
WHERE is_change AND operation = 'delete'
ORDER BY `agreement_key`
LIMIT 20;
INSERT INTO effect (entity, what, name, number)
SELECT 'agreement', 'not_there', to_system, COUNT(*)
FROM moving
WHERE to_system NOT IN (
    SELECT CASE name WHEN 'from_sse_agreement' THEN 'sse' END
    FROM `project.ledger.agreement`
    WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_sse_agreement')
)
GROUP BY to_system;
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_agreement WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_agreement WHERE is_change AND operation = 'delete');
END IF;
SELECT entity, what, name, number FROM effect ORDER BY entity, what, name;

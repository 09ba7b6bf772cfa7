-- account/from_platform_account: batches 7 of platform/account, one transaction.
DECLARE v_last_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
BEGIN TRANSACTION;
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
UPDATE `project.ledger.account` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.account` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_last_number = (SELECT change_number FROM `project.ledger.account` WHERE name = 'entity');
SET v_changed_at = (SELECT GREATEST(CURRENT_TIMESTAMP(), changed_at) FROM `project.ledger.account` WHERE name = 'entity');
SET v_salt = (SELECT salt FROM `project.identity.salt`);
ASSERT v_last_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';
-- Offsets order the records of one key only within one partition of one life of the topic.
CREATE TEMP TABLE landing_places AS
SELECT `kafka_data`.`partition` AS _kafka_partition, `kafka_data`.`offset` AS _kafka_offset, `kafka_key` AS _source_key
FROM `project.platform_landing.account`
WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to);
ASSERT NOT EXISTS (
  SELECT 1 FROM landing_places GROUP BY _source_key HAVING COUNT(DISTINCT _kafka_partition) > 1
) AS 'Rule: a key of platform/account lies in two partitions of its topic, so its newest record is not known';
ASSERT NOT EXISTS (
  SELECT 1 FROM landing_places GROUP BY _kafka_partition, _kafka_offset HAVING COUNT(DISTINCT _source_key) > 1
) AS 'Rule: one offset of platform/account holds two records: the topic was made anew, and its old rows are still there';
-- Nothing was copied when the batches were noted, so what was counted then must still be there. (Late records are more.)
ASSERT (
  SELECT COUNT(*) >= @counted
  FROM (SELECT DISTINCT _kafka_partition, _kafka_offset FROM landing_places WHERE FALSE
      OR (`_kafka_partition` = @w0_partition
        AND `_kafka_offset` >= @w0_begins AND `_kafka_offset` < @w0_to)
      OR (`_kafka_partition` = @w1_partition
        AND `_kafka_offset` >= @w1_begins AND `_kafka_offset` < @w1_to))
) AS 'Rule: records of platform/account that were counted are gone from the landing table: find out why, then trigger with full_refresh';
-- The newest row of each source key, through the mapping. The order is total: batch, layer, position, every column.
CREATE TEMP TABLE incoming AS
SELECT
  _batch,
  _source_key,
  _is_gone,
  `customer_id` AS `customer_id`,
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
    `kafka_key` AS _source_key,
    `kafka_data`.`offset` AS _position,
    (account_id IS NULL) AS _is_gone,
    TRUE AS is_present,
    customer_id                        AS customer_id,
    account_id                         AS account_number,
    balance_gbp                        AS balance_gbp,
    opened_on                          AS opened_on,
    closed_on                          AS closed_on,
    NULLIF(TRIM(address), '')          AS address,
    NULLIF(TRIM(postcode), '')         AS postcode,
    NULLIF(TRIM(imported_from), '')    AS same_as
  FROM (
    SELECT 7 AS _batch, 0 AS _layer, landing.*
    FROM `project.platform_landing.account` AS landing
    WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to)
  ) AS `platform_account`
)
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY _source_key
  ORDER BY _batch DESC, _layer DESC, _position DESC, `customer_id`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`, is_present
) = 1;
ASSERT (SELECT COUNT(*) = 0 FROM incoming WHERE _source_key IS NULL)
AS 'Rule: a row of platform/account has no key';
ASSERT (SELECT COUNT(*) = 0 FROM incoming WHERE is_present IS NULL AND NOT _is_gone)
AS 'Rule: is_present is NULL for a row of platform/account, the mapping must decide what a missing value means';
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
    i.`customer_id`,
    i.`account_number`,
    i.`balance_gbp`,
    i.`opened_on`,
    i.`closed_on`,
    i.`address`,
    i.`postcode`,
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`customer_id` IS DISTINCT FROM i.`customer_id`
      OR t.`account_number` IS DISTINCT FROM i.`account_number`
      OR t.`balance_gbp` IS DISTINCT FROM i.`balance_gbp`
      OR t.`opened_on` IS DISTINCT FROM i.`opened_on`
      OR t.`closed_on` IS DISTINCT FROM i.`closed_on`
      OR t.`address` IS DISTINCT FROM i.`address`
      OR t.`postcode` IS DISTINCT FROM i.`postcode`
      AS _differs
  FROM incoming AS i
  FULL OUTER JOIN (
    SELECT * FROM `project.conformed.account` WHERE system = 'platform' AND id_space = 'account'
  ) AS t ON t.source_key = i._source_key
  LEFT JOIN seen AS k ON k._source_key = COALESCE(i._source_key, t.source_key)
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
-- A landing table that was emptied looks like everybody's death: its keys are seen here for the first time.
ASSERT (
  SELECT IF(
    gone <= known * @deletions_share OR gone = @deletions_allowed,
    TRUE,
    ERROR(CONCAT('Rule: ', CAST(gone AS STRING), ' of ', CAST(known AS STRING), ' known keys of platform/account have vanished'))
  )
  FROM (
    SELECT
      (SELECT COUNT(*) FROM conforming WHERE _is_known AND NOT _has_row) AS gone,
      (
        SELECT COUNT(*) FROM `project.conformed.account`
        WHERE system = 'platform' AND id_space = 'account'
      ) AS known
  )
) AS 'Rule: too many known keys have vanished';
MERGE `project.conformed.account` AS t
USING conforming AS s
ON t.system = 'platform' AND t.id_space = 'account' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `customer_id` = s.`customer_id`, `account_number` = s.`account_number`, `balance_gbp` = s.`balance_gbp`, `opened_on` = s.`opened_on`, `closed_on` = s.`closed_on`, `address` = s.`address`, `postcode` = s.`postcode`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `customer_id`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`)
VALUES
  ('platform', 'account', s._source_key, s._batch, s.is_present, s.`customer_id`, s.`account_number`, s.`balance_gbp`, s.`opened_on`, s.`closed_on`, s.`address`, s.`postcode`);
-- Identity: a key once given stays, also when its record goes and comes back.
INSERT INTO `project.identity.account` (system, id_space, source_key, `account_key`)
SELECT 'platform', 'account', c._source_key, SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'account', '\x1f', 'platform', '\x1f', 'account', '\x1f', c._source_key))), 1, 32)
FROM conforming AS c
LEFT JOIN `project.identity.account` AS i
  ON i.system = 'platform' AND i.id_space = 'account' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE affected AS
SELECT DISTINCT i.`account_key`
FROM conforming AS c
JOIN `project.identity.account` AS i
  ON i.system = 'platform' AND i.id_space = 'account' AND i.source_key = c._source_key;
-- Every record that could speak for an affected key, its references as keys. A parent may be late: its key is known.
CREATE TEMP TABLE candidate AS
SELECT
  i.`account_key`,
  c.system,
  c.source_key,
  CASE
    WHEN c.`customer_id` IS NULL THEN NULL
    ELSE COALESCE(
      p1.`customer_key`,
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
FROM affected AS a
JOIN `project.identity.account` AS i ON i.`account_key` = a.`account_key`
JOIN `project.conformed.account` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
LEFT JOIN `project.identity.customer` AS p1
  ON p1.system = c.system
  AND p1.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END)
  AND p1.source_key = c.`customer_id`
WHERE c.is_present;
-- The customer's system speaks if it has this entity, else precedence; of two records, the lowest source key.
CREATE TEMP TABLE winner AS
SELECT
  c.*,
  COUNT(*) OVER (PARTITION BY c.`account_key`, c.rank) AS rivals
FROM candidate AS c
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = c.customer_key AND m.until IS NULL
WHERE m.system IS NULL
  OR m.system = c.system
  OR m.system NOT IN ('sse', 'mis', 'platform')
QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`account_key` ORDER BY c.rank, c.source_key) = 1;
-- The difference between winner and present, numbered without a gap.
CREATE TEMP TABLE change AS
SELECT
  v_last_number + ROW_NUMBER() OVER (ORDER BY d.`account_key`) AS change_number,
  d.*
FROM (
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
    a.`account_key`,
    w.system AS source_system,
    w.`customer_key`,
    w.`account_number`,
    w.`balance_gbp`,
    w.`opened_on`,
    w.`closed_on`,
    w.`address`,
    w.`postcode`
  FROM affected AS a
  LEFT JOIN winner AS w ON w.`account_key` = a.`account_key`
  LEFT JOIN `project.common_model.account` AS p ON p.`account_key` = a.`account_key`
) AS d
WHERE d.is_change;
INSERT INTO `project.change_log.account`
  (change_number, changed_at, operation, is_event, `account_key`, source_system, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`)
SELECT change_number, v_changed_at, operation, is_event, `account_key`, source_system, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`
FROM change;
MERGE `project.common_model.account` AS t
USING change AS s
ON t.`account_key` = s.`account_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `customer_key` = s.`customer_key`, `account_number` = s.`account_number`, `balance_gbp` = s.`balance_gbp`, `opened_on` = s.`opened_on`, `closed_on` = s.`closed_on`, `address` = s.`address`, `postcode` = s.`postcode`
WHEN NOT MATCHED THEN INSERT
  (`account_key`, source_system, change_number, changed_at, `customer_key`, `account_number`, `balance_gbp`, `opened_on`, `closed_on`, `address`, `postcode`)
VALUES
  (s.`account_key`, s.source_system, s.change_number, v_changed_at, s.`customer_key`, s.`account_number`, s.`balance_gbp`, s.`opened_on`, s.`closed_on`, s.`address`, s.`postcode`);
-- Progress, in the same transaction as the data that it describes.
UPDATE `project.ledger.account`
SET change_number = v_last_number + (SELECT COUNT(*) FROM change), changed_at = v_changed_at
WHERE name = 'entity';
MERGE `project.ledger.account` AS t
USING (
  SELECT
    (SELECT COUNT(*) FROM incoming) AS rows_taken,
    (SELECT COUNT(*) FROM conforming) AS rows_conformed,
    (SELECT COUNT(*) FROM change WHERE operation = 'insert') AS inserted,
    (SELECT COUNT(*) FROM change WHERE operation = 'update') AS updated,
    (SELECT COUNT(*) FROM change WHERE operation = 'delete') AS removed,
    (SELECT COUNT(*) FROM change WHERE is_event) AS events,
    (SELECT COUNT(*) FROM winner WHERE rivals > 1) AS contested
) AS s
ON t.name = @mapping
WHEN MATCHED THEN UPDATE SET
  batch = @batch, mapping_hash = @mapping_hash, merged_at = v_changed_at, run_id = @run_id, attempt = @attempt,
  rows_taken = s.rows_taken, rows_conformed = s.rows_conformed, inserted = s.inserted, updated = s.updated,
  removed = s.removed, events = s.events, contested = s.contested
WHEN NOT MATCHED THEN INSERT
  (name, batch, mapping_hash, merged_at, run_id, attempt, rows_taken, rows_conformed, inserted, updated, removed, events, contested)
VALUES
  (@mapping, @batch, @mapping_hash, v_changed_at, @run_id, @attempt, s.rows_taken, s.rows_conformed, s.inserted, s.updated, s.removed, s.events, s.contested);
COMMIT TRANSACTION;

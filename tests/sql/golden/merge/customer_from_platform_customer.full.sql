-- customer/from_platform_customer: batches 7 of platform/customer, one transaction.
DECLARE v_last_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
BEGIN TRANSACTION;
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.customer` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_last_number = (SELECT change_number FROM `project.ledger.customer` WHERE name = 'entity');
SET v_changed_at = (SELECT GREATEST(CURRENT_TIMESTAMP(), changed_at) FROM `project.ledger.customer` WHERE name = 'entity');
SET v_salt = (SELECT salt FROM `project.identity.salt`);
ASSERT v_last_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';
-- Offsets order the records of one key only within one partition of one life of the topic.
CREATE TEMP TABLE landing_places AS
SELECT `kafka_data`.`partition` AS _kafka_partition, `kafka_data`.`offset` AS _kafka_offset, `kafka_key` AS _source_key
FROM `project.platform_landing.customer`
WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to);
ASSERT NOT EXISTS (
  SELECT 1 FROM landing_places GROUP BY _source_key HAVING COUNT(DISTINCT _kafka_partition) > 1
) AS 'Rule: a key of platform/customer lies in two partitions of its topic, so its newest record is not known';
ASSERT NOT EXISTS (
  SELECT 1 FROM landing_places GROUP BY _kafka_partition, _kafka_offset HAVING COUNT(DISTINCT _source_key) > 1
) AS 'Rule: one offset of platform/customer holds two records: the topic was made anew, and its old rows are still there';
-- Nothing was copied when the batches were noted, so what was counted then must still be there. (Late records are more.)
ASSERT (
  SELECT COUNT(*) >= @counted
  FROM (SELECT DISTINCT _kafka_partition, _kafka_offset FROM landing_places WHERE FALSE
      OR (`_kafka_partition` = @w0_partition
        AND `_kafka_offset` >= @w0_begins AND `_kafka_offset` < @w0_to)
      OR (`_kafka_partition` = @w1_partition
        AND `_kafka_offset` >= @w1_begins AND `_kafka_offset` < @w1_to))
) AS 'Rule: records of platform/customer that were counted are gone from the landing table: find out why, then trigger with full_refresh';
-- The newest row of each source key, through the mapping. The order is total: batch, layer, position, every column.
CREATE TEMP TABLE incoming AS
SELECT
  _batch,
  _source_key,
  _is_gone,
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
    `kafka_key` AS _source_key,
    `kafka_data`.`offset` AS _position,
    (customer_id IS NULL) AS _is_gone,
    NULLIF(TRIM(given_name), '')                                         AS given_name,
    NULLIF(TRIM(family_name), '')                                        AS family_name,
    NULLIF(TRIM(email), '')                                              AS email,
    date_of_birth                                                        AS birth_date,
    created_at                                                           AS registered_at,
    COALESCE(is_active, TRUE)                                            AS is_present,
    NULLIF(TRIM(imported_from), '')                                      AS same_as,
    IF(NULLIF(TRIM(imported_from), '') IS NULL, NULL, migrated_at)       AS taken_over_at
  FROM (
    SELECT 7 AS _batch, 0 AS _layer, landing.*
    FROM `project.platform_landing.customer` AS landing
    WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to)
  ) AS `platform_customer`
)
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY _source_key
  ORDER BY _batch DESC, _layer DESC, _position DESC, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`, is_present
) = 1;
ASSERT (SELECT COUNT(*) = 0 FROM incoming WHERE _source_key IS NULL)
AS 'Rule: a row of platform/customer has no key';
ASSERT (SELECT COUNT(*) = 0 FROM incoming WHERE is_present IS NULL AND NOT _is_gone)
AS 'Rule: is_present is NULL for a row of platform/customer, the mapping must decide what a missing value means';
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
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`given_name` IS DISTINCT FROM i.`given_name`
      OR t.`family_name` IS DISTINCT FROM i.`family_name`
      OR t.`email` IS DISTINCT FROM i.`email`
      OR t.`birth_date` IS DISTINCT FROM i.`birth_date`
      OR t.`registered_at` IS DISTINCT FROM i.`registered_at`
      AS _differs
  FROM incoming AS i
  FULL OUTER JOIN (
    SELECT * FROM `project.conformed.customer` WHERE system = 'platform' AND id_space = 'customer'
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
    ERROR(CONCAT('Rule: ', CAST(gone AS STRING), ' of ', CAST(known AS STRING), ' known keys of platform/customer have vanished'))
  )
  FROM (
    SELECT
      (SELECT COUNT(*) FROM conforming WHERE _is_known AND NOT _has_row) AS gone,
      (
        SELECT COUNT(*) FROM `project.conformed.customer`
        WHERE system = 'platform' AND id_space = 'customer'
      ) AS known
  )
) AS 'Rule: too many known keys have vanished';
MERGE `project.conformed.customer` AS t
USING conforming AS s
ON t.system = 'platform' AND t.id_space = 'customer' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `given_name` = s.`given_name`, `family_name` = s.`family_name`, `email` = s.`email`, `birth_date` = s.`birth_date`, `registered_at` = s.`registered_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
VALUES
  ('platform', 'customer', s._source_key, s._batch, s.is_present, s.`given_name`, s.`family_name`, s.`email`, s.`birth_date`, s.`registered_at`);
-- Identity: a key once given stays, also when its record goes and comes back.
INSERT INTO `project.identity.customer` (system, id_space, source_key, `customer_key`)
SELECT 'platform', 'customer', c._source_key, SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', 'platform', '\x1f', 'customer', '\x1f', c._source_key))), 1, 32)
FROM conforming AS c
LEFT JOIN `project.identity.customer` AS i
  ON i.system = 'platform' AND i.id_space = 'customer' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE affected AS
SELECT DISTINCT i.`customer_key`
FROM conforming AS c
JOIN `project.identity.customer` AS i
  ON i.system = 'platform' AND i.id_space = 'customer' AND i.source_key = c._source_key;
-- Every record that could speak for an affected key, its references as keys. A parent may be late: its key is known.
CREATE TEMP TABLE candidate AS
SELECT
  i.`customer_key`,
  c.system,
  c.source_key,
  c.`given_name`,
  c.`family_name`,
  c.`email`,
  c.`birth_date`,
  c.`registered_at`,
  CASE c.system WHEN 'sse' THEN 1 WHEN 'mis' THEN 2 WHEN 'platform' THEN 3 END AS rank
FROM affected AS a
JOIN `project.identity.customer` AS i ON i.`customer_key` = a.`customer_key`
JOIN `project.conformed.customer` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present;
-- Authority: the first transaction that sees a key decides, by precedence among those that have it now.
INSERT INTO `project.migration.authority` (customer_key, system, since, decided_by)
SELECT c.customer_key, c.system, v_changed_at, 'precedence'
FROM candidate AS c
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = c.customer_key
WHERE m.customer_key IS NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY c.customer_key ORDER BY c.rank, c.source_key) = 1;
-- The customer's system speaks if it has this entity, else precedence; of two records, the lowest source key.
CREATE TEMP TABLE winner AS
SELECT
  c.*,
  COUNT(*) OVER (PARTITION BY c.`customer_key`, c.rank) AS rivals
FROM candidate AS c
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = c.customer_key AND m.until IS NULL
WHERE m.system IS NULL
  OR m.system = c.system
  OR m.system NOT IN ('sse', 'mis', 'platform')
QUALIFY ROW_NUMBER() OVER (PARTITION BY c.`customer_key` ORDER BY c.rank, c.source_key) = 1;
-- The difference between winner and present, numbered without a gap.
CREATE TEMP TABLE change AS
SELECT
  v_last_number + ROW_NUMBER() OVER (ORDER BY d.`customer_key`) AS change_number,
  d.*
FROM (
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
    a.`customer_key`,
    w.system AS source_system,
    w.`given_name`,
    w.`family_name`,
    w.`email`,
    w.`birth_date`,
    w.`registered_at`
  FROM affected AS a
  LEFT JOIN winner AS w ON w.`customer_key` = a.`customer_key`
  LEFT JOIN `project.common_model.customer` AS p ON p.`customer_key` = a.`customer_key`
) AS d
WHERE d.is_change;
INSERT INTO `project.change_log.customer`
  (change_number, changed_at, operation, is_event, `customer_key`, source_system, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
SELECT change_number, v_changed_at, operation, is_event, `customer_key`, source_system, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`
FROM change;
MERGE `project.common_model.customer` AS t
USING change AS s
ON t.`customer_key` = s.`customer_key`
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at, `given_name` = s.`given_name`, `family_name` = s.`family_name`, `email` = s.`email`, `birth_date` = s.`birth_date`, `registered_at` = s.`registered_at`
WHEN NOT MATCHED THEN INSERT
  (`customer_key`, source_system, change_number, changed_at, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
VALUES
  (s.`customer_key`, s.source_system, s.change_number, v_changed_at, s.`given_name`, s.`family_name`, s.`email`, s.`birth_date`, s.`registered_at`);
-- Progress, in the same transaction as the data that it describes.
UPDATE `project.ledger.customer`
SET change_number = v_last_number + (SELECT COUNT(*) FROM change), changed_at = v_changed_at
WHERE name = 'entity';
MERGE `project.ledger.customer` AS t
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

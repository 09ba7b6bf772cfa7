-- What keeps customer/from_platform_customer from merging batches 8: the merge up to what would change, of which nothing stays.
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
  (SELECT MAX(whole_at) FROM `project.ledger.customer` WHERE name = @mapping),
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
  SELECT 1 FROM landing_places WHERE _source_key IS NOT NULL GROUP BY _source_key HAVING COUNT(DISTINCT _kafka_partition) > 1
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
-- The newest row of each source key (and each that has none), through the mapping. The order is total: batch, layer,
-- position, every column.
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
    SELECT 8 AS _batch, 0 AS _layer, landing.*
    FROM `project.platform_landing.customer` AS landing
    WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to)
  ) AS `platform_customer`
)
WHERE TRUE
QUALIFY _source_key IS NULL OR ROW_NUMBER() OVER (
  PARTITION BY _source_key
  ORDER BY _batch DESC, _layer DESC, _position DESC, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`, is_present, same_as, taken_over_at
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
      WHEN i._is_gone THEN NULL
      WHEN h.rule IS NOT NULL THEN h.rule
      WHEN i.is_present IS NULL THEN 'is_present is NULL'
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM `project.quarantine.platform_customer`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`given_name`, i.`family_name`, i.`email`, i.`birth_date`, i.`registered_at`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
-- Windows overlap: what a run before has kept aside is no news.
SET v_newly_bad = v_bad - (
  SELECT COUNT(*)
  FROM bad AS b
  JOIN (
    SELECT DISTINCT COALESCE(source_key, '') AS source_key, kafka_offset, rule FROM `project.quarantine.platform_customer` WHERE mapping = @mapping
  ) AS q ON q.source_key = COALESCE(b._source_key, '') AND q.kafka_offset = b._position AND q.rule = b._rule
);
IF v_bad > 0 THEN
  ASSERT (
    SELECT IF(
      v_bad <= @quarantine_share * GREATEST(taken, known),
      TRUE,
      ERROR(CONCAT('Rule: ', CAST(v_bad AS STRING), ' of ', CAST(GREATEST(taken, known) AS STRING), ' rows of platform/customer cannot be merged, more than its contract allows: ', rules))
    )
    FROM (
      SELECT
        (SELECT COUNT(*) FROM incoming) AS taken,
        (
          SELECT COUNT(*) FROM `project.conformed.customer`
          WHERE system = 'platform' AND id_space = 'customer'
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
-- What differs from what this system said before, column by column: a batch that changes nothing writes nothing.
CREATE TEMP TABLE conforming AS
SELECT * FROM (
  SELECT
    COALESCE(i._source_key, t.source_key) AS _source_key,
    i._source_key IS NOT NULL AS _has_row,
    t.source_key IS NOT NULL AS _is_known,
    COALESCE(i._is_gone, FALSE) AS _is_gone,
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
  LEFT JOIN (
    SELECT * FROM `project.conformed.customer` AS c
    WHERE c.system = 'platform' AND c.id_space = 'customer'
  ) AS t ON t.source_key = i._source_key
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
MERGE `project.conformed.customer` AS t
USING conforming AS s
ON t.system = 'platform' AND t.id_space = 'customer' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `given_name` = s.`given_name`, `family_name` = s.`family_name`, `email` = s.`email`, `birth_date` = s.`birth_date`, `registered_at` = s.`registered_at`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`, `same_as`, `taken_over_at`)
VALUES
  ('platform', 'customer', s._source_key, s._batch, s.is_present, s.`given_name`, s.`family_name`, s.`email`, s.`birth_date`, s.`registered_at`, s.`same_as`, s.`taken_over_at`);
IF EXISTS (SELECT 1 FROM `project.quarantine.platform_customer` WHERE mapping = @mapping) THEN
  DELETE FROM `project.quarantine.platform_customer`
  WHERE mapping = @mapping
    AND (
      (source_key IS NULL AND (batch >= 8))
      OR source_key IN (SELECT _source_key FROM incoming)
      OR source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL)
    );
END IF;
IF v_bad > 0 THEN
  INSERT INTO `project.quarantine.platform_customer` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
SELECT
  CAST(@mapping AS STRING),
  b._batch,
  b._source_key,
  b._rule,
  s._raw,
  v_changed_at,
  CAST(@run_id AS STRING),
  b._said_hash,
  b._position
FROM (SELECT DISTINCT _batch, _layer, _position, _source_key, _rule, _said_hash FROM bad) AS b
JOIN (
  SELECT
    `kafka_key` AS _source_key,
    `kafka_data`.`offset` AS _position,
    TO_JSON_STRING(STRUCT(`kafka_key` AS `kafka_key`, `given_name` AS `given_name`, `family_name` AS `family_name`, `email` AS `email`, `date_of_birth` AS `date_of_birth`, `created_at` AS `created_at`, `is_active` AS `is_active`, `imported_from` AS `imported_from`, `migrated_at` AS `migrated_at`)) AS _raw
  FROM `project.platform_landing.customer`
  WHERE FALSE
      OR (`kafka_data`.`partition` = @w0_partition
        AND `kafka_data`.`offset` >= @w0_from AND `kafka_data`.`offset` < @w0_to)
      OR (`kafka_data`.`partition` = @w1_partition
        AND `kafka_data`.`offset` >= @w1_from AND `kafka_data`.`offset` < @w1_to)
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._position = b._position
WHERE b._source_key IS NOT NULL OR s._raw NOT IN (SELECT raw FROM `project.quarantine.platform_customer` WHERE mapping = @mapping AND source_key IS NULL)
;
END IF;
CREATE TEMP TABLE stirred_customer (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
INSERT INTO `project.identity.customer`
  (system, id_space, source_key, own_key, first_number, `customer_key`, is_linked)
SELECT
  'platform',
  'customer',
  c._source_key,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', 'platform', '\x1f', 'customer', '\x1f', c._source_key))), 1, 32),
  v_first_number,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'customer', '\x1f', 'platform', '\x1f', 'customer', '\x1f', c._source_key))), 1, 32),
  FALSE
FROM conforming AS c
LEFT JOIN `project.identity.customer` AS i
  ON i.system = 'platform' AND i.id_space = 'customer' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE joined_anew (`customer_key` STRING);
-- What named nobody whom we knew may be read today. (Who is gone links to nobody anew.)
CREATE TEMP TABLE unread AS
SELECT i.source_key
FROM `project.identity.customer` AS i
JOIN `project.conformed.customer` AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE i.system = 'platform' AND i.id_space = 'customer'
  AND i.link_problem IN ('unknown system', 'unreadable') AND i.source_key NOT IN (SELECT _source_key FROM conforming);
-- What records say now, where it differs from what they said before. A record that is gone says nothing: no unlink.
CREATE TEMP TABLE said AS
SELECT
  s.*,
  i.link_system IS DISTINCT FROM s.link_system
    OR i.link_id_space IS DISTINCT FROM s.link_id_space
    OR i.link_key IS DISTINCT FROM s.link_key AS names_another,
  i.taken_over_at IS NULL AND s.taken_over_at IS NOT NULL AS is_taken_over
FROM (
  SELECT
    source_key,
    same_as,
    taken_over_at,
    IF(link_key IS NULL, NULL, named_system) AS link_system,
    CASE IF(link_key IS NULL, NULL, named_system) WHEN 'mis' THEN 'gentrack_customer' WHEN 'sse' THEN 'customer' END AS link_id_space,
    link_key,
    CASE
      WHEN same_as IS NULL OR link_key IS NOT NULL THEN NULL
      WHEN named_system = 'platform' THEN 'own system'
      WHEN named_system IN ('mis', 'platform', 'sse') OR STRPOS(same_as, ':') = 0 THEN 'unreadable'
      ELSE 'unknown system'
    END AS link_problem
  FROM (
    SELECT
      *,
      CASE named_system
        WHEN 'mis' THEN NULLIF(UPPER(RTRIM(named_id, ' ')), '')
        WHEN 'sse' THEN NULLIF(CAST(SAFE_CAST(named_id AS INT64) AS STRING), '')
      END AS link_key
    FROM (
      SELECT
        _source_key AS source_key,
        same_as,
        taken_over_at,
        TRIM(SPLIT(same_as, ':')[SAFE_OFFSET(0)]) AS named_system,
        IF(STRPOS(same_as, ':') = 0, NULL, TRIM(SUBSTR(same_as, STRPOS(same_as, ':') + 1))) AS named_id
      FROM (
        SELECT _source_key, same_as, taken_over_at FROM conforming WHERE _has_row AND NOT _is_gone
        UNION ALL
        SELECT i.source_key, i.same_as, i.taken_over_at
        FROM `project.identity.customer` AS i
        JOIN unread AS u ON u.source_key = i.source_key
        WHERE i.system = 'platform' AND i.id_space = 'customer'
      )
    )
  )
) AS s
JOIN `project.identity.customer` AS i
  ON i.system = 'platform' AND i.id_space = 'customer' AND i.source_key = s.source_key
WHERE i.same_as IS DISTINCT FROM s.same_as
  OR i.taken_over_at IS DISTINCT FROM s.taken_over_at
  OR (i.link_problem IN ('unknown system', 'unreadable') AND i.link_problem IS DISTINCT FROM s.link_problem);
IF EXISTS (SELECT 1 FROM said) OR EXISTS (
  SELECT 1
  FROM conforming AS c
  JOIN `project.identity.customer` AS i
    ON i.link_system = 'platform' AND i.link_id_space = 'customer' AND i.link_key = c._source_key
  WHERE NOT c._is_known
) THEN
  MERGE `project.identity.customer` AS t
  USING said AS s
  ON t.system = 'platform' AND t.id_space = 'customer' AND t.source_key = s.source_key
  WHEN MATCHED THEN UPDATE SET
    same_as = s.same_as, taken_over_at = s.taken_over_at, link_system = s.link_system, link_id_space = s.link_id_space,
    link_key = s.link_key, link_problem = s.link_problem, is_linked = t.is_linked AND NOT s.names_another;
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
  LEFT JOIN (SELECT source_key FROM said WHERE is_taken_over) AS s
    ON c.system = 'platform' AND c.id_space = 'customer' AND s.source_key = c.source_key
  WHERE c.root IS NOT NULL AND (NOT c.is_linked OR s.source_key IS NOT NULL);
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
  ON i.system = 'platform' AND i.id_space = 'customer' AND i.source_key = c._source_key
UNION DISTINCT
SELECT `customer_key` FROM joined_anew
;
-- Once all of this system's rows are there, no other system's speak for its customers in their place.
CREATE TEMP TABLE replaced (`customer_key` STRING);
IF v_is_whole AND NOT EXISTS (
  SELECT 1 FROM `project.ledger.customer`
  WHERE COALESCE(whole_at, batch) <= batch AND name IN ('from_platform_customer')
) THEN
  INSERT INTO replaced (`customer_key`)
  SELECT DISTINCT i.`customer_key`
  FROM `project.conformed.customer` AS c
  JOIN `project.identity.customer` AS i
    ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
  JOIN `project.common_model.customer` AS p ON p.`customer_key` = i.`customer_key`
  JOIN `project.migration.authority` AS m ON m.customer_key = i.`customer_key` AND m.until IS NULL
  WHERE c.system <> 'platform' AND m.system = 'platform';
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
WHERE i.system = 'platform' AND i.id_space = 'customer' AND NOT c._is_gone AND c.is_present;
IF EXISTS (SELECT 1 FROM record_customer AS i WHERE NOT (i.system = 'platform' AND i.id_space = 'customer' AND i.source_key IN (SELECT _source_key FROM conforming))) THEN
INSERT INTO says_customer (`customer_key`, system, id_space, source_key, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`)
SELECT i.*, c.`given_name`, c.`family_name`, c.`email`, c.`birth_date`, c.`registered_at`
FROM record_customer AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.customer` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse', 'mis', 'platform') AND NOT (i.system = 'platform' AND i.id_space = 'customer' AND i.source_key IN (SELECT _source_key FROM conforming));
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
    SELECT 'platform' FROM UNNEST([v_is_whole]) AS is_whole WHERE is_whole
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
-- (Whom platform has, and says that he does not count, is not missing there.)
IF EXISTS (SELECT 1 FROM replaced) THEN
ASSERT (
  SELECT IF(
    gone <= known * @replaced_share,
    TRUE,
    ERROR(CONCAT('Rule: ', CAST(gone AS STRING), ' of ', CAST(known AS STRING), ' rows that other systems have of customers of platform would go, because platform/customer has none of them: link them, or raise deletes_at_most of platform/customer for this merge'))
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
          WHERE i.system = 'platform'
        ) AS own ON own.`customer_key` = d.`customer_key`
        WHERE d.is_change AND d.operation = 'delete' AND own.`customer_key` IS NULL
      ) AS gone,
      (SELECT COUNT(*) FROM replaced) AS known
  )
) AS 'Rule: too many rows of other systems would go';
END IF;
CREATE TEMP TABLE broken AS
WITH changed AS (
    SELECT `customer_key`, source_system, `given_name`, `family_name`, `email`, `birth_date`, `registered_at`
    FROM change_customer
    WHERE is_change AND operation <> 'delete'
  ), speaking AS (
    SELECT customer_key, system FROM `project.migration.authority` WHERE until IS NULL
  )
SELECT `customer_key`, MIN(rule) AS rule
FROM (
  SELECT `customer_key`, 'one_system_speaks' AS rule
  FROM (
      SELECT c.customer_key
      FROM changed AS c
      LEFT JOIN speaking AS s ON s.customer_key = c.customer_key
      GROUP BY c.customer_key
      HAVING COUNT(s.system) <> 1
  )
)
GROUP BY 1;
-- The rows that brought it. (The script ends in its transaction: so all of it is taken back.)
SELECT
  b.`customer_key` AS key,
  b.rule,
  r._batch AS batch,
  r._layer AS layer,
  r._position AS position,
  r._source_key AS source_key,
  TO_HEX(SHA256(TO_JSON_STRING(STRUCT(r.is_present, r.`given_name`, r.`family_name`, r.`email`, r.`birth_date`, r.`registered_at`, r.`same_as`, r.`taken_over_at`)))) AS said_hash
FROM broken AS b
LEFT JOIN (
  SELECT i.`customer_key`, n.*
  FROM record_customer AS i
  JOIN conforming AS c ON c._source_key = i.source_key
  JOIN incoming AS n ON n._source_key = i.source_key
  WHERE i.system = 'platform' AND i.id_space = 'customer' AND NOT n._is_gone
) AS r ON r.`customer_key` = b.`customer_key`
ORDER BY b.`customer_key`, r._source_key
LIMIT 10001;

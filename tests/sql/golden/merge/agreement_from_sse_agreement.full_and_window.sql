-- agreement/from_sse_agreement: batches 7, 8 of sse/agreement, one transaction.
DECLARE v_first_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_vanished INT64 DEFAULT 0;
DECLARE v_bad INT64 DEFAULT 0;
DECLARE v_newly_bad INT64 DEFAULT 0;
DECLARE v_whole_at INT64;
DECLARE v_is_whole BOOL;
BEGIN TRANSACTION;
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
UPDATE `project.ledger.account` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.agreement` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.customer` SET locked_by = @attempt WHERE TRUE;
UPDATE `project.ledger.supply_point` SET locked_by = @attempt WHERE TRUE;
-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM `project.ledger.agreement` WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
SET v_first_number = (SELECT change_number + 1 FROM `project.ledger.agreement` WHERE name = 'entity');
-- Who had all before still has it while everything is read anew.
SET v_whole_at = COALESCE(
  (SELECT MIN(COALESCE(whole_at, batch)) FROM `project.ledger.agreement` WHERE name = @mapping AND COALESCE(whole_at, batch) <= batch),
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
    SELECT changed_at FROM `project.ledger.customer` WHERE name = 'entity'
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
    SELECT 7 AS _batch, 0 AS _layer, CAST(`AgreementId` AS STRING) AS _source_key
    FROM `project.staging.sse_agreement__7`
    UNION ALL
    SELECT 8 AS _batch, 0 AS _layer, CAST(`AgreementId` AS STRING) AS _source_key
    FROM `project.staging.sse_agreement__8`
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
  UPPER(RTRIM(`account_id`, ' ')) AS `account_id`,
  CAST(`supply_point_id` AS STRING) AS `supply_point_id`,
  `tariff_code`,
  `payment_method`,
  `monthly_amount_gbp`,
  `signed_at`,
  `starts_on`,
  `ends_on`,
  is_present
FROM (
  SELECT
    _batch,
    _layer,
    CAST(`AgreementId` AS STRING) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    TRUE AS is_present,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    AccountNo                                AS account_id,
    SupplyPointId                            AS supply_point_id,
    UPPER(TRIM(TariffCode))                  AS tariff_code,
    CASE UPPER(TRIM(PaymentMethod))
      WHEN 'DD' THEN 'direct debit'
      WHEN 'CC' THEN 'on receipt of bill'
      WHEN 'PP' THEN 'prepayment'
      WHEN 'SO' THEN 'standing order'
      ELSE NULLIF(UPPER(TRIM(PaymentMethod)), '')
    END                                      AS payment_method,
    MonthlyAmount                            AS monthly_amount_gbp,
    TIMESTAMP(SignedAt, 'Europe/London')     AS signed_at,
    StartsOn                                 AS starts_on,
    NULLIF(EndsOn, DATE '9999-12-31')        AS ends_on
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `AgreementId`,
      `AccountNo`,
      `SupplyPointId`,
      `TariffCode`,
      `PaymentMethod`,
      `MonthlyAmount`,
      `SignedAt`,
      `StartsOn`,
      `EndsOn`,
      `RowVer`
    FROM `project.staging.sse_agreement__7`
    UNION ALL
    SELECT
      8 AS _batch,
      0 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `AgreementId`,
      `AccountNo`,
      `SupplyPointId`,
      `TariffCode`,
      `PaymentMethod`,
      `MonthlyAmount`,
      `SignedAt`,
      `StartsOn`,
      `EndsOn`,
      `RowVer`
    FROM `project.staging.sse_agreement__8`
  ) AS `sse_agreement`
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
      WHEN i.`account_id` IS NULL THEN 'account_id is NULL'
      WHEN i.`supply_point_id` IS NULL THEN 'supply_point_id is NULL'
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
  LEFT JOIN repeated AS r ON r._batch = i._batch AND r._layer = i._layer AND r._source_key = i._source_key
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM `project.quarantine.sse_agreement`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`account_id`, i.`supply_point_id`, i.`tariff_code`, i.`payment_method`, i.`monthly_amount_gbp`, i.`signed_at`, i.`starts_on`, i.`ends_on`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
SET v_newly_bad = v_bad;
IF v_bad > 0 THEN
  ASSERT (
    SELECT IF(
      v_bad <= @quarantine_share * GREATEST(taken, known),
      TRUE,
      ERROR(CONCAT('Rule: ', CAST(v_bad AS STRING), ' of ', CAST(GREATEST(taken, known) AS STRING), ' rows of sse/agreement cannot be merged, more than its contract allows: ', rules))
    )
    FROM (
      SELECT
        (SELECT COUNT(*) FROM incoming) AS taken,
        (
          SELECT COUNT(*) FROM `project.conformed.agreement`
          WHERE system = 'sse' AND id_space = 'agreement'
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
-- Who is there: judged by batch 7, the last that looked at every key. Absence there beats a row. Who is
-- kept aside is there.
CREATE TEMP TABLE seen AS
SELECT _source_key FROM incoming WHERE _batch >= 7
UNION DISTINCT
SELECT _source_key FROM bad WHERE _batch >= 7 AND _source_key IS NOT NULL
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
    i.`account_id`,
    i.`supply_point_id`,
    i.`tariff_code`,
    i.`payment_method`,
    i.`monthly_amount_gbp`,
    i.`signed_at`,
    i.`starts_on`,
    i.`ends_on`,
    i.`same_as`,
    i.`taken_over_at`,
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
      OR t.`account_id` IS DISTINCT FROM i.`account_id`
      OR t.`supply_point_id` IS DISTINCT FROM i.`supply_point_id`
      OR t.`tariff_code` IS DISTINCT FROM i.`tariff_code`
      OR t.`payment_method` IS DISTINCT FROM i.`payment_method`
      OR t.`monthly_amount_gbp` IS DISTINCT FROM i.`monthly_amount_gbp`
      OR t.`signed_at` IS DISTINCT FROM i.`signed_at`
      OR t.`starts_on` IS DISTINCT FROM i.`starts_on`
      OR t.`ends_on` IS DISTINCT FROM i.`ends_on`
      OR t.`same_as` IS DISTINCT FROM i.`same_as`
      OR t.`taken_over_at` IS DISTINCT FROM i.`taken_over_at`
      AS _differs
  FROM incoming AS i
  FULL OUTER JOIN (
    SELECT * FROM `project.conformed.agreement` AS c
    WHERE c.system = 'sse' AND c.id_space = 'agreement'
  ) AS t ON t.source_key = i._source_key
  LEFT JOIN seen AS k ON k._source_key = COALESCE(i._source_key, t.source_key)
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;
MERGE `project.conformed.agreement` AS t
USING conforming AS s
ON t.system = 'sse' AND t.id_space = 'agreement' AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present, `account_id` = s.`account_id`, `supply_point_id` = s.`supply_point_id`, `tariff_code` = s.`tariff_code`, `payment_method` = s.`payment_method`, `monthly_amount_gbp` = s.`monthly_amount_gbp`, `signed_at` = s.`signed_at`, `starts_on` = s.`starts_on`, `ends_on` = s.`ends_on`, `same_as` = s.`same_as`, `taken_over_at` = s.`taken_over_at`
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present, `account_id`, `supply_point_id`, `tariff_code`, `payment_method`, `monthly_amount_gbp`, `signed_at`, `starts_on`, `ends_on`, `same_as`, `taken_over_at`)
VALUES
  ('sse', 'agreement', s._source_key, s._batch, s.is_present, s.`account_id`, s.`supply_point_id`, s.`tariff_code`, s.`payment_method`, s.`monthly_amount_gbp`, s.`signed_at`, s.`starts_on`, s.`ends_on`, s.`same_as`, s.`taken_over_at`);
IF EXISTS (SELECT 1 FROM `project.quarantine.sse_agreement` WHERE mapping = @mapping) THEN
  DELETE FROM `project.quarantine.sse_agreement`
  WHERE mapping = @mapping
    AND (
      (source_key IS NULL AND (TRUE))
      OR source_key IN (SELECT _source_key FROM incoming)
      OR source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL)
      OR source_key NOT IN (SELECT _source_key FROM seen)
    );
END IF;
IF v_bad > 0 THEN
  INSERT INTO `project.quarantine.sse_agreement` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
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
    CAST(`AgreementId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`AgreementId` AS `AgreementId`, `AccountNo` AS `AccountNo`, `SupplyPointId` AS `SupplyPointId`, `TariffCode` AS `TariffCode`, `PaymentMethod` AS `PaymentMethod`, `MonthlyAmount` AS `MonthlyAmount`, `SignedAt` AS `SignedAt`, `StartsOn` AS `StartsOn`, `EndsOn` AS `EndsOn`)) AS _raw
  FROM `project.staging.sse_agreement__7`
  UNION ALL
  SELECT
    8 AS _batch,
    0 AS _layer,
    CAST(`AgreementId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`AgreementId` AS `AgreementId`, `AccountNo` AS `AccountNo`, `SupplyPointId` AS `SupplyPointId`, `TariffCode` AS `TariffCode`, `PaymentMethod` AS `PaymentMethod`, `MonthlyAmount` AS `MonthlyAmount`, `SignedAt` AS `SignedAt`, `StartsOn` AS `StartsOn`, `EndsOn` AS `EndsOn`)) AS _raw
  FROM `project.staging.sse_agreement__8`
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._batch = b._batch AND s._layer = b._layer
;
END IF;
INSERT INTO `project.identity.agreement`
  (system, id_space, source_key, own_key, first_number, `agreement_key`, is_linked)
SELECT
  'sse',
  'agreement',
  c._source_key,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'agreement', '\x1f', 'sse', '\x1f', 'agreement', '\x1f', c._source_key))), 1, 32),
  v_first_number,
  SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', 'agreement', '\x1f', 'sse', '\x1f', 'agreement', '\x1f', c._source_key))), 1, 32),
  FALSE
FROM conforming AS c
LEFT JOIN `project.identity.agreement` AS i
  ON i.system = 'sse' AND i.id_space = 'agreement' AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
CREATE TEMP TABLE affected_agreement AS
SELECT i.`agreement_key`
FROM conforming AS c
JOIN `project.identity.agreement` AS i
  ON i.system = 'sse' AND i.id_space = 'agreement' AND i.source_key = c._source_key
;
-- agreement: every record that could speak for an affected key.
CREATE TEMP TABLE record_agreement AS
SELECT i.`agreement_key`, i.system, i.id_space, i.source_key
FROM affected_agreement AS a
JOIN `project.identity.agreement` AS i ON i.`agreement_key` = a.`agreement_key`;
CREATE TEMP TABLE says_agreement AS
SELECT i.*, c.`account_id`, c.`supply_point_id`, c.`tariff_code`, c.`payment_method`, c.`monthly_amount_gbp`, c.`signed_at`, c.`starts_on`, c.`ends_on`
FROM record_agreement AS i
JOIN conforming AS c ON c._source_key = i.source_key
WHERE i.system = 'sse' AND i.id_space = 'agreement' AND NOT c._is_gone AND c.is_present;
IF EXISTS (SELECT 1 FROM record_agreement AS i WHERE NOT (i.system = 'sse' AND i.id_space = 'agreement' AND i.source_key IN (SELECT _source_key FROM conforming))) THEN
INSERT INTO says_agreement (`agreement_key`, system, id_space, source_key, `account_id`, `supply_point_id`, `tariff_code`, `payment_method`, `monthly_amount_gbp`, `signed_at`, `starts_on`, `ends_on`)
SELECT i.*, c.`account_id`, c.`supply_point_id`, c.`tariff_code`, c.`payment_method`, c.`monthly_amount_gbp`, c.`signed_at`, c.`starts_on`, c.`ends_on`
FROM record_agreement AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN `project.conformed.agreement` AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE c.is_present AND c.system IN ('sse') AND NOT (i.system = 'sse' AND i.id_space = 'agreement' AND i.source_key IN (SELECT _source_key FROM conforming));
END IF;
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
    UNION ALL
    SELECT 'sse' FROM UNNEST([v_is_whole]) AS is_whole WHERE is_whole
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
-- Progress, in the same transaction as the data that it describes.
DELETE FROM `project.ledger.agreement` WHERE name = @mapping;
INSERT INTO `project.ledger.agreement`
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
  (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_agreement),
  (SELECT COUNTIF(is_change AND operation = 'update') FROM change_agreement),
  (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_agreement),
  (SELECT COUNTIF(is_change AND is_event) FROM change_agreement),
  (SELECT COUNTIF(is_contested) FROM change_agreement),
  v_followed,
  v_vanished,
  0,
  v_newly_bad;
COMMIT TRANSACTION;

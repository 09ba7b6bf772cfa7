-- Why a merge of customer/from_sse_customer is refused: the rows that cannot be merged, kept aside by a statement of its own.
DECLARE v_changed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
DECLARE v_bad INT64 DEFAULT 0;
DECLARE v_newly_bad INT64 DEFAULT 0;
-- Two rows of one picture of the source under one key of ours would become one without a sound. (Ranges are pictures
-- of several moments: what moved between them is in the catch-up, or no longer there.)
CREATE TEMP TABLE repeated AS
  SELECT _batch, _layer, _source_key
  FROM (
    SELECT 7 AS _batch, 0 AS _layer, CAST(`CustomerId` AS STRING) AS _source_key
    FROM `project.staging.sse_customer__7`
    WHERE CAST(`CustomerId` AS STRING) NOT IN (SELECT CAST(`CustomerId` AS STRING) FROM `project.staging.sse_customer__7_catch_up` WHERE CAST(`CustomerId` AS STRING) IS NOT NULL)
      AND CAST(`CustomerId` AS STRING) IN (SELECT CAST(`CustomerId` AS STRING) FROM `project.staging.sse_customer__7_keys`)
    UNION ALL
    SELECT 7 AS _batch, 1 AS _layer, CAST(`CustomerId` AS STRING) AS _source_key
    FROM `project.staging.sse_customer__7_catch_up`
  )
  WHERE _source_key IS NOT NULL
  GROUP BY _batch, _layer, _source_key
  HAVING COUNT(*) > 1;
-- What came to the table without a change that its capture sees (a partition switched in) is in no range.
ASSERT NOT EXISTS (
  SELECT CAST(`CustomerId` AS STRING) FROM `project.staging.sse_customer__7_keys`
  EXCEPT DISTINCT (
    SELECT CAST(`CustomerId` AS STRING) FROM `project.staging.sse_customer__7`
    UNION ALL
    SELECT CAST(`CustomerId` AS STRING) FROM `project.staging.sse_customer__7_catch_up`
  )
) AS 'Rule: a key of sse/customer has no row in its ranges: trigger with full_refresh';
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
    CAST(`CustomerId` AS STRING) AS _source_key,
    _order AS _position,
    _gone AS _is_gone,
    CAST(NULL AS STRING) AS same_as,
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
    NULLIF(TRIM(FirstName), '')               AS given_name,
    NULLIF(TRIM(Surname), '')                 AS family_name,
    NULLIF(TRIM(Email), '')                   AS email,
    NULLIF(DateOfBirth, DATE '1753-01-01')    AS birth_date,
    TIMESTAMP(CreatedAt, 'Europe/London')     AS registered_at,
    Status <> 'X'                             AS is_present
  FROM (
    SELECT
      7 AS _batch,
      0 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `CustomerId`,
      `FirstName`,
      `Surname`,
      `Email`,
      `DateOfBirth`,
      `CreatedAt`,
      `Status`,
      `RowVer`
    FROM `project.staging.sse_customer__7`
    UNION ALL
    SELECT
      7 AS _batch,
      1 AS _layer,
      `RowVer` AS _order,
      FALSE AS _gone,
      `CustomerId`,
      `FirstName`,
      `Surname`,
      `Email`,
      `DateOfBirth`,
      `CreatedAt`,
      `Status`,
      `RowVer`
    FROM `project.staging.sse_customer__7_catch_up`
  ) AS `sse_customer`
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
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
  LEFT JOIN repeated AS r ON r._batch = i._batch AND r._layer = i._layer AND r._source_key = i._source_key
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM `project.quarantine.sse_customer`
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = TO_HEX(SHA256(TO_JSON_STRING(STRUCT(i.is_present, i.`given_name`, i.`family_name`, i.`email`, i.`birth_date`, i.`registered_at`, i.`same_as`, i.`taken_over_at`))))
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
SET v_newly_bad = v_bad;
DELETE FROM `project.quarantine.sse_customer` WHERE mapping = @mapping AND batch >= 7 AND NOT STARTS_WITH(rule, 'held: ');
DELETE FROM bad WHERE STARTS_WITH(_rule, 'held: ');
INSERT INTO `project.quarantine.sse_customer` (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
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
    CAST(`CustomerId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`CustomerId` AS `CustomerId`, `FirstName` AS `FirstName`, `Surname` AS `Surname`, `Email` AS `Email`, `DateOfBirth` AS `DateOfBirth`, `CreatedAt` AS `CreatedAt`, `Status` AS `Status`)) AS _raw
  FROM `project.staging.sse_customer__7`
  UNION ALL
  SELECT
    7 AS _batch,
    1 AS _layer,
    CAST(`CustomerId` AS STRING) AS _source_key,
    TO_JSON_STRING(STRUCT(`CustomerId` AS `CustomerId`, `FirstName` AS `FirstName`, `Surname` AS `Surname`, `Email` AS `Email`, `DateOfBirth` AS `DateOfBirth`, `CreatedAt` AS `CreatedAt`, `Status` AS `Status`)) AS _raw
  FROM `project.staging.sse_customer__7_catch_up`
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
  AND s._batch = b._batch AND s._layer = b._layer
LIMIT 1000;

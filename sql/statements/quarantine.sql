{#- What cannot be merged is kept aside, and the rest goes on. -#}
{% import 'keys.sql' as keys %}

{#- The newest row of a key that breaks a rule, or one without a key: by the first rule that it breaks. -#}
{% macro find(required, landed, quarantine, kept) %}
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
{% if not landed %}
      WHEN r._source_key IS NOT NULL THEN 'two rows of one key'
{% endif %}
      WHEN i._is_gone THEN NULL
      WHEN h.rule IS NOT NULL THEN h.rule
      WHEN i.is_present IS NULL THEN 'is_present is NULL'
{% for name in required %}
      WHEN i.{{ name | column }} IS NULL THEN {{ (name ~ ' is NULL') | sentence }}
{% endfor %}
    END AS _rule,
    IF(i._is_gone, NULL, h.said_hash) AS _said_hash
  FROM incoming AS i
{% if not landed %}
  LEFT JOIN repeated AS r ON r._batch = i._batch AND r._layer = i._layer AND r._source_key = i._source_key
{% endif %}
  LEFT JOIN (
    SELECT source_key, said_hash, MIN(rule) AS rule
    FROM {{ quarantine | table }}
    WHERE mapping = @mapping AND STARTS_WITH(rule, 'held: ')
    GROUP BY 1, 2
  ) AS h ON h.source_key = i._source_key AND h.said_hash = {{ said_hash(kept, 'i') }}
)
WHERE _rule IS NOT NULL;
SET v_bad = (SELECT COUNT(*) FROM bad);
{% if landed %}
-- Windows overlap: what a run before has kept aside is no news.
SET v_newly_bad = v_bad - (
  SELECT COUNT(*)
  FROM bad AS b
  JOIN (
    SELECT DISTINCT COALESCE(source_key, '') AS source_key, kafka_offset, rule FROM {{ quarantine | table }} WHERE mapping = @mapping
  ) AS q ON q.source_key = COALESCE(b._source_key, '') AND q.kafka_offset = b._position AND q.rule = b._rule
);
{% else %}
SET v_newly_bad = v_bad;
{% endif %}
{% endmacro %}

{#- What a row says, whatever brought it: a held row is known by it. -#}
{% macro said_hash(kept, alias) -%}
TO_HEX(SHA256(TO_JSON_STRING(STRUCT({{ alias }}.is_present{% for name in kept %}, {{ alias }}.{{ name | column }}{% endfor %}))))
{%- endmacro %}

{#- More of them than the contract allows: the mapping or the source is broken, not a row. -#}
{% macro refuse_too_many(source, conformed, system, id_space) %}
IF v_bad > 0 THEN
  ASSERT (
    SELECT IF(
      v_bad <= @quarantine_share * GREATEST(taken, known),
      TRUE,
      ERROR(CONCAT('Rule: ', CAST(v_bad AS STRING), ' of ', CAST(GREATEST(taken, known) AS STRING), ' rows of {{ source }} cannot be merged, more than its contract allows: ', rules))
    )
    FROM (
      SELECT
        (SELECT COUNT(*) FROM incoming) AS taken,
        (
          SELECT COUNT(*) FROM {{ conformed | table }}
          WHERE system = {{ system | word }} AND id_space = {{ id_space | word }}
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
{% endmacro %}

{#- The rows as they came, with the rule that they broke. `most`: of a merge that is refused, so many as evidence; `rows`:
    what names them. -#}
{% macro keep(quarantine, key, layers, landed, read_columns, most=none, rows='bad') %}
INSERT INTO {{ quarantine | table }} (mapping, batch, source_key, rule, raw, kept_at, run_id, said_hash, kafka_offset)
SELECT
  CAST(@mapping AS STRING),
  b._batch,
  b._source_key,
  b._rule,
  s._raw,
  v_changed_at,
  CAST(@run_id AS STRING),
  b._said_hash,
  {{ 'b._position' if landed else 'CAST(NULL AS INT64)' }}
FROM (SELECT DISTINCT _batch, _layer, {{ '_position, ' if landed }}_source_key, _rule, _said_hash FROM {{ rows }}) AS b
JOIN (
{% if landed %}
  SELECT
    {{ keys.source_key(key) }} AS _source_key,
    {{ landed.offset | path }} AS _position,
    {{ raw(read_columns) }} AS _raw
  FROM {{ landed.table | table }}
  WHERE {{ keys.in_windows(landed.windows, landed.partition, landed.offset, 'from') }}
{% else %}
{% for layer in layers %}
  SELECT
    {{ layer.batch | number }} AS _batch,
    {{ layer.number | number }} AS _layer,
    {{ keys.source_key(key) }} AS _source_key,
    {{ raw(read_columns) }} AS _raw
  FROM {{ layer.table | table }}
  {{ 'UNION ALL' if not loop.last }}
{% endfor %}
{% endif %}
) AS s
  ON COALESCE(s._source_key, '') = COALESCE(b._source_key, '') AND (s._source_key IS NULL) = (b._source_key IS NULL)
{% if landed %}
  AND s._position = b._position
{% else %}
  AND s._batch = b._batch AND s._layer = b._layer
{% endif %}
{% if landed %}
WHERE b._source_key IS NOT NULL OR s._raw NOT IN (SELECT raw FROM {{ quarantine | table }} WHERE mapping = @mapping AND source_key IS NULL)
{% endif %}
{{ 'LIMIT ' ~ (most | number) if most }};
{% endmacro %}

{#- A row's columns as JSON. -#}
{% macro raw(read_columns) -%}
TO_JSON_STRING(STRUCT({% for name in read_columns %}{{ name | column }} AS {{ name | column }}{{ ', ' if not loop.last }}{% endfor %}))
{%- endmacro %}

{#- Who has a newer row, or is gone, is no longer kept aside. -#}
{% macro release(quarantine, first_batch, absence) %}
IF EXISTS (SELECT 1 FROM {{ quarantine | table }} WHERE mapping = @mapping) THEN
  DELETE FROM {{ quarantine | table }}
  WHERE mapping = @mapping
    AND (
      (source_key IS NULL AND ({{ 'TRUE' if absence and not absence.keys_table else 'batch >= ' ~ (first_batch | number) }}))
      OR source_key IN (SELECT _source_key FROM incoming)
      OR source_key IN (SELECT _source_key FROM bad WHERE _source_key IS NOT NULL)
{% if absence %}
      OR source_key NOT IN (SELECT _source_key FROM seen)
{% endif %}
    );
END IF;
{% endmacro %}

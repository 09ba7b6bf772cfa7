{% import 'keys.sql' as keys %}
{% import 'resolve.sql' as resolving %}
{% if absence %}
-- Who is there: judged by batch {{ absence.batch }}, the last that looked at every key. Absence there beats a row. Who is
-- kept aside is there.
CREATE TEMP TABLE seen AS
{% if absence.keys_table %}
SELECT {{ keys.source_key(key) }} AS _source_key FROM {{ absence.keys_table | table }}
UNION DISTINCT
SELECT _source_key FROM incoming WHERE _batch > {{ absence.batch | number }}
UNION DISTINCT
SELECT _source_key FROM bad WHERE _batch > {{ absence.batch | number }} AND _source_key IS NOT NULL
{% else %}
SELECT _source_key FROM incoming WHERE _batch >= {{ absence.batch | number }}
UNION DISTINCT
SELECT _source_key FROM bad WHERE _batch >= {{ absence.batch | number }} AND _source_key IS NOT NULL
{% endif %}
{{ 'UNION DISTINCT SELECT _source_key FROM later_keys' if later }};
{% endif %}

{% if e.partition %}
-- The months that are touched: of the rows that came, and of those that they replace.
SET v_months_{{ entity }} = (
  SELECT IFNULL(ARRAY_AGG(DISTINCT month IGNORE NULLS), [])
  FROM (
    SELECT {{ e.month('c') }} AS month FROM incoming AS c
    UNION ALL
    SELECT i.month
    FROM {{ tables.identity | table }} AS i
    {{ '' if absence else 'JOIN incoming AS c ON c._source_key = i.source_key' }}
    WHERE i.system = {{ system | word }} AND i.id_space = {{ id_space | word }}
  )
);
{% endif %}

-- What differs from what this system said before, column by column: a batch that changes nothing writes nothing.
CREATE TEMP TABLE conforming AS
SELECT * FROM (
  SELECT
    COALESCE(i._source_key, t.source_key) AS _source_key,
    i._source_key IS NOT NULL AS _has_row,
    t.source_key IS NOT NULL AS _is_known,
    {{ 'k._source_key IS NULL OR ' if absence }}COALESCE(i._is_gone, FALSE) AS _is_gone,
    i._batch,
{% for name in kept %}
    i.{{ name | column }},
{% endfor %}
    i.is_present,
{% if stirs_by %}
    t.{{ stirs_by | column }} IS DISTINCT FROM i.{{ stirs_by | column }} AS _is_held_by_another,
{% endif %}
    t.is_present IS DISTINCT FROM i.is_present
{% for name in kept %}
      OR t.{{ name | column }} IS DISTINCT FROM i.{{ name | column }}
{% endfor %}
      AS _differs
  FROM incoming AS i
  {{ 'FULL OUTER' if absence else 'LEFT' }} JOIN (
    SELECT * FROM {{ tables.conformed | table }} AS c
    WHERE c.system = {{ system | word }} AND c.id_space = {{ id_space | word }}{{ resolving.in_months(e, 'c') }}
  ) AS t ON t.source_key = i._source_key
{% if absence %}
  LEFT JOIN seen AS k ON k._source_key = COALESCE(i._source_key, t.source_key)
{% endif %}
)
WHERE CASE
  WHEN NOT _is_known THEN NOT _is_gone
  WHEN _is_gone THEN TRUE
  WHEN NOT _has_row THEN FALSE
  ELSE _differs
END;

{% if absence and landed %}
-- A landing table that was emptied looks like everybody's death: its keys are seen here for the first time.
ASSERT (
  SELECT IF(
    gone <= known * @deletions_share OR gone = @deletions_allowed,
    TRUE,
    ERROR(CONCAT('Rule: ', CAST(gone AS STRING), ' of ', CAST(known AS STRING), ' known keys of {{ mapping.name.source }} have vanished'))
  )
  FROM (
    SELECT
      (SELECT COUNT(*) FROM conforming WHERE _is_known AND NOT _has_row) AS gone,
      (
        SELECT COUNT(*) FROM {{ tables.conformed | table }}
        WHERE system = {{ system | word }} AND id_space = {{ id_space | word }}
      ) AS known
  )
) AS 'Rule: too many known keys have vanished';
{% endif %}

MERGE {{ tables.conformed | table }} AS t
USING conforming AS s
ON t.system = {{ system | word }} AND t.id_space = {{ id_space | word }} AND t.source_key = s._source_key{{ resolving.in_months(e, 't') }}
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present{% for name in kept %}, {{ name | column }} = s.{{ name | column }}{% endfor %}

WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present{% for name in kept %}, {{ name | column }}{% endfor %})
VALUES
  ({{ system | word }}, {{ id_space | word }}, s._source_key, s._batch, s.is_present{% for name in kept %}, s.{{ name | column }}{% endfor %});

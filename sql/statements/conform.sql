{% import 'keys.sql' as keys %}
{% if absence %}
-- Who is there: judged by batch {{ absence.batch }}, the last that looked at every key. Absence there beats a row.
CREATE TEMP TABLE seen AS
{% if absence.keys_table %}
SELECT {{ keys.source_key(key) }} AS _source_key FROM {{ absence.keys_table | table }}
UNION DISTINCT
SELECT _source_key FROM incoming WHERE _batch > {{ absence.batch | number }}
{% else %}
SELECT _source_key FROM incoming WHERE _batch >= {{ absence.batch | number }}
{% endif %}
{{ 'UNION DISTINCT SELECT _source_key FROM later_keys' if later }};
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
{% for name in columns %}
    i.{{ name | column }},
{% endfor %}
    i.is_present,
    t.is_present IS DISTINCT FROM i.is_present
{% for name in columns %}
      OR t.{{ name | column }} IS DISTINCT FROM i.{{ name | column }}
{% endfor %}
      AS _differs
  FROM incoming AS i
  {{ 'FULL OUTER' if absence else 'LEFT' }} JOIN (
    SELECT * FROM {{ tables.conformed | table }} WHERE system = {{ system | word }} AND id_space = {{ id_space | word }}
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
ON t.system = {{ system | word }} AND t.id_space = {{ id_space | word }} AND t.source_key = s._source_key
WHEN MATCHED AND s._is_gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
  batch = s._batch, is_present = s.is_present{% for name in columns %}, {{ name | column }} = s.{{ name | column }}{% endfor %}

WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, batch, is_present{% for name in columns %}, {{ name | column }}{% endfor %})
VALUES
  ({{ system | word }}, {{ id_space | word }}, s._source_key, s._batch, s.is_present{% for name in columns %}, s.{{ name | column }}{% endfor %});

-- Identity: a key once given stays, also when its record goes and comes back.
INSERT INTO {{ tables.identity | table }} (system, id_space, source_key, {{ entity_key | column }})
SELECT {{ system | word }}, {{ id_space | word }}, c._source_key, {{ keys.minted(entity, system | word, id_space | word, 'c._source_key') }}
FROM conforming AS c
LEFT JOIN {{ tables.identity | table }} AS i
  ON i.system = {{ system | word }} AND i.id_space = {{ id_space | word }} AND i.source_key = c._source_key
WHERE i.source_key IS NULL;

CREATE TEMP TABLE affected AS
SELECT DISTINCT i.{{ entity_key | column }}
FROM conforming AS c
JOIN {{ tables.identity | table }} AS i
  ON i.system = {{ system | word }} AND i.id_space = {{ id_space | word }} AND i.source_key = c._source_key;

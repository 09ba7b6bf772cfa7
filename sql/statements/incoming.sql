{% import 'keys.sql' as keys %}
{% if staged %}
-- Two rows of one picture of the source under one key of ours would become one without a sound. (Ranges are pictures
-- of several moments: what moved between them is in the catch-up, or no longer there.)
CREATE TEMP TABLE repeated AS
  SELECT _batch, _layer, _source_key
  FROM (
{% for layer in layers %}
    SELECT {{ layer.batch | number }} AS _batch, {{ layer.number | number }} AS _layer, {{ keys.source_key(key) }} AS _source_key
    FROM {{ layer.table | table }}
{% if layer.but_for %}
    WHERE {{ keys.source_key(key) }} NOT IN (SELECT {{ keys.source_key(key) }} FROM {{ layer.but_for | table }} WHERE {{ keys.source_key(key) }} IS NOT NULL)
{% if layer.keys_table %}
      AND {{ keys.source_key(key) }} IN (SELECT {{ keys.source_key(key) }} FROM {{ layer.keys_table | table }})
{% endif %}
{% endif %}
    {{ 'UNION ALL' if not loop.last }}
{% endfor %}
  )
  WHERE _source_key IS NOT NULL
  GROUP BY _batch, _layer, _source_key
  HAVING COUNT(*) > 1;
{% endif %}

{% for one in staged if one.catch_up_table and one.keys_table %}
-- What came to the table without a change that its capture sees (a partition switched in) is in no range.
ASSERT NOT EXISTS (
  SELECT {{ keys.source_key(key) }} FROM {{ one.keys_table | table }}
  EXCEPT DISTINCT (
{% for layer in one.layers %}
    SELECT {{ keys.source_key(key) }} FROM {{ layer.table | table }}
    {{ 'UNION ALL' if not loop.last }}
{% endfor %}
  )
) AS 'Rule: a key of {{ mapping.name.source }} has no row in its ranges: trigger with full_refresh';
{% endfor %}
{% if landed %}
-- Offsets order the records of one key only within one partition of one life of the topic.
CREATE TEMP TABLE landing_places AS
SELECT {{ landed.partition | path }} AS _kafka_partition, {{ landed.offset | path }} AS _kafka_offset, {{ keys.source_key(key) }} AS _source_key
FROM {{ landed.table | table }}
WHERE {{ keys.in_windows(landed.windows, landed.partition, landed.offset, 'from') }};
ASSERT NOT EXISTS (
  SELECT 1 FROM landing_places WHERE _source_key IS NOT NULL GROUP BY _source_key HAVING COUNT(DISTINCT _kafka_partition) > 1
) AS 'Rule: a key of {{ mapping.name.source }} lies in two partitions of its topic, so its newest record is not known';
ASSERT NOT EXISTS (
  SELECT 1 FROM landing_places GROUP BY _kafka_partition, _kafka_offset HAVING COUNT(DISTINCT _source_key) > 1
) AS 'Rule: one offset of {{ mapping.name.source }} holds two records: the topic was made anew, and its old rows are still there';
-- Nothing was copied when the batches were noted, so what was counted then must still be there. (Late records are more.)
ASSERT (
  SELECT COUNT(*) >= @counted
  FROM (SELECT DISTINCT _kafka_partition, _kafka_offset FROM landing_places WHERE {{ keys.in_windows(landed.windows, '_kafka_partition', '_kafka_offset', 'begins') }})
) AS 'Rule: records of {{ mapping.name.source }} that were counted are gone from the landing table: find out why, then trigger with full_refresh';
{% endif %}

{% if later %}
-- Keys of batches that the next transactions take: whatever is here of them is older.
CREATE TEMP TABLE later_keys AS
{% for layer in later_layers %}
SELECT {{ keys.source_key(key) }} AS _source_key FROM {{ layer.table | table }} WHERE {{ keys.source_key(key) }} IS NOT NULL
{{ 'UNION DISTINCT' if not loop.last }}
{% endfor %};
{% endif %}

-- The newest row of each source key (and each that has none), through the mapping. The order is total: batch, layer,
-- {{ 'position, every column.' if landed else 'position; two rows of one picture are kept aside.' }}
CREATE TEMP TABLE incoming AS
SELECT
  _batch,
  _layer,
  _position,
  _source_key,
  _is_gone,
  same_as,
  taken_over_at,
{% for name in columns %}
{% if name in references %}
  {{ keys.canonical(name | column, references[name].type, references[name].collation) }} AS {{ name | column }},
{% else %}
  {{ name | column }},
{% endif %}
{% endfor %}
  is_present
FROM (
  SELECT
    _batch,
    _layer,
    {{ keys.source_key(key) }} AS _source_key,
    {{ landed.offset | path if landed else '_order' }} AS _position,
    {{ '(' ~ landed.deleted_when ~ ')' if landed else '_gone' }} AS _is_gone,
{% if not mapping.tells_presence %}
    TRUE AS is_present,
{% endif %}
{% if not tells_link %}
    CAST(NULL AS STRING) AS same_as,
{% endif %}
{% if not tells_taken_over %}
    CAST(NULL AS TIMESTAMP) AS taken_over_at,
{% endif %}
    {{ mapping.projections | replace('\n', '\n  ') }}
  FROM (
{% if landed %}
    SELECT {{ batches[-1] | number }} AS _batch, 0 AS _layer, landing.*
    FROM {{ landed.table | table }} AS landing
    WHERE {{ keys.in_windows(landed.windows, landed.partition, landed.offset, 'from') }}
{% else %}
{% for layer in layers %}
    SELECT
      {{ layer.batch | number }} AS _batch,
      {{ layer.number | number }} AS _layer,
      {{ layer.order | column if layer.order else 'CAST(NULL AS BYTES)' }} AS _order,
      {{ 'COALESCE(' ~ (layer.gone | column) ~ ', FALSE)' if layer.gone else 'FALSE' }} AS _gone{% for name in read_columns %},
      {{ name | column }}{% endfor %}

    FROM {{ layer.table | table }}
    {{ 'UNION ALL' if not loop.last }}
{% endfor %}
{% endif %}
  ) AS {{ mapping.name.source.flat | column }}
)
WHERE {{ '_source_key IS NULL OR _source_key NOT IN (SELECT _source_key FROM later_keys)' if later else 'TRUE' }}
QUALIFY _source_key IS NULL OR ROW_NUMBER() OVER (
  PARTITION BY _source_key
  ORDER BY _batch DESC, _layer DESC, _position DESC{% if landed %}{% for name in columns %}, {{ name | column }}{% endfor %}, is_present, same_as, taken_over_at{% endif %}

) = 1;

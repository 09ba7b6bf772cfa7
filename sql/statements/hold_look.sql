-- What keeps {{ mapping.name }} from merging batches {{ batches | join(', ') }}: the merge up to what would change, of which nothing stays.
{% import 'checks.sql' as checks %}
{% import 'quarantine.sql' as quarantining %}
{% include 'merge_until_resolved.sql' %}
CREATE TEMP TABLE broken AS
{{ checks.read(e) }}

SELECT {{ e.key | column }}, MIN(rule) AS rule
FROM (
{% for check in fails_of[entity] %}
  SELECT {{ e.key | column }}, {{ check.name | sentence }} AS rule
  FROM (
      {{ check.sql }}
  )
  {{ 'UNION ALL' if not loop.last }}
{% endfor %}
)
GROUP BY 1;

-- The rows that brought it. (The script ends in its transaction: so all of it is taken back.)
SELECT
  b.{{ entity_key | column }} AS key,
  b.rule,
  r._batch AS batch,
  r._layer AS layer,
  {{ 'r._position' if landed else 'CAST(NULL AS INT64)' }} AS position,
  r._source_key AS source_key,
  {{ quarantining.said_hash(kept, 'r') }} AS said_hash
FROM broken AS b
LEFT JOIN (
  SELECT i.{{ entity_key | column }}, n.*
  FROM record_{{ entity }} AS i
  JOIN conforming AS c ON c._source_key = i.source_key
  JOIN incoming AS n ON n._source_key = i.source_key
  WHERE i.system = {{ system | word }} AND i.id_space = {{ id_space | word }} AND NOT n._is_gone
) AS r ON r.{{ entity_key | column }} = b.{{ entity_key | column }}
ORDER BY b.{{ entity_key | column }}, r._source_key
LIMIT {{ most | number }};

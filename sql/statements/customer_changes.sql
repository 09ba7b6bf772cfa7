-- Every change of {{ entity }} that has to do with a customer, oldest first: which columns, never their values.
SELECT
  change_number,
  changed_at,
  operation,
  is_event,
  key,
  source_system,
  ARRAY_TO_STRING([
{% for name in model_columns %}
    IF(operation = 'update' AND {{ name | column }} IS DISTINCT FROM {{ ('was_' ~ name) | column }}, {{ name | word }}, NULL){{ ',' if not loop.last }}
{% endfor %}
  ], ', ') AS columns
FROM (
  SELECT
    *,
    {{ entity_key | column }} AS key{% for name in model_columns %},
    LAG({{ name | column }}) OVER (PARTITION BY {{ entity_key | column }} ORDER BY change_number) AS {{ ('was_' ~ name) | column }}{% endfor %}

  FROM {{ change_log | table }}
{% if through | length == 0 %}
  WHERE {{ entity_key | column }} = @key
{% elif through | length == 1 %}
  WHERE {{ entity_key | column }} IN (SELECT {{ entity_key | column }} FROM {{ change_log | table }} WHERE customer_key = @key)
{% else %}
  WHERE {{ entity_key | column }} IN (
    SELECT {{ entity_key | column }} FROM {{ change_log | table }} WHERE {{ through[0].key | column }} IN (
      SELECT {{ through[0].key | column }} FROM {{ through[0].change_log | table }} WHERE customer_key = @key
    )
  )
{% endif %}
)
ORDER BY change_number

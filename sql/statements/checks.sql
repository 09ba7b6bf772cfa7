{#- What must hold of the rows that a transaction is about to write. -#}

{#- What the checks read, as `WITH`. -#}
{% macro read(e) -%}
  WITH changed AS (
    SELECT {{ e.key | column }}, source_system{% for name in e.model_columns %}, {{ name | column }}{% endfor %}

    FROM change_{{ e.name }}
    WHERE is_change AND operation <> 'delete'
  ){% if e.customer == 'own' %}, speaking AS (
    SELECT customer_key, system FROM {{ e.tables.authority | table }} WHERE until IS NULL
  ){% endif %}
{%- endmacro %}

{#- Broken by one row, it takes back the whole transaction, and says which rows they are. -#}
{% macro assert_all(e, fails) %}
-- What must hold of the rows that are about to be written, or nothing of this transaction stays.
ASSERT (
  {{ read(e) }}

  SELECT IF(COUNT(told) = 0, TRUE, ERROR(CONCAT('Rule: ', STRING_AGG(told, '; ' ORDER BY told))))
  FROM (
    SELECT {{ told(e, 'one_row_per_key', 'there are two of it in the common model') }}
    FROM (
      SELECT {{ e.key | column }} FROM change_{{ e.name }} WHERE is_change
      GROUP BY {{ e.key | column }}
      HAVING COUNT(*) > 1
    )
{% for check in fails %}
    UNION ALL
    SELECT {{ told(e, check.name, check.why) }}
    FROM (
      {{ check.sql }}
    )
{% endfor %}
  )
) AS 'Rule: a check of {{ e.name }} is broken';
{% endmacro %}

{#- How many rows break a check, and three of them; NULL when none does. -#}
{% macro told(e, name, why) -%}
IF(COUNT(*) = 0, NULL, CONCAT(CAST(COUNT(*) AS STRING), {{ (' of ' ~ e.name ~ ' break ' ~ name ~ ', ' ~ why ~ ': ') | sentence }}, STRING_AGG({{ e.key | column }}, ', ' ORDER BY {{ e.key | column }} LIMIT 3))) AS told
{%- endmacro %}

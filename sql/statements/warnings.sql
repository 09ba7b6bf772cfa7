{% import 'keys.sql' as keys %}
{#- What is asked of every entity that links can join. One of two records that a link joins is linked itself. -#}
{% macro present() -%}
{{ e.tables.identity | table }} AS i
      JOIN {{ e.tables.conformed | table }} AS c
        ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
{%- endmacro %}
{% macro linked() -%}
i.{{ e.key | column }} IN (SELECT {{ e.key | column }} FROM {{ e.tables.identity | table }} WHERE is_linked)
{%- endmacro %}
{% macro two_records_of_one_system() -%}
SELECT DISTINCT i.{{ e.key | column }}
      FROM {{ present() }}
      WHERE {{ linked() }}
      GROUP BY i.{{ e.key | column }}, i.system
      HAVING COUNT(*) > 1
{%- endmacro %}
{% macro two_customers_have_it() -%}
{% set reference = e.references[e.customer_column] %}
SELECT i.{{ e.key | column }}
      FROM {{ present() }}
      {{ keys.join_parent(reference) }}
      WHERE {{ linked() }}
      GROUP BY i.{{ e.key | column }}
      HAVING COUNT(DISTINCT {{ ('p_' ~ reference.column) | column }}.{{ reference.becomes | column }}) > 1
{%- endmacro %}
{% macro only_another_system_has_it() -%}
SELECT i.{{ e.key | column }}, MIN(m.since) AS since
      FROM {{ present() }}
      JOIN {{ e.tables.authority | table }} AS m ON m.customer_key = i.{{ e.key | column }} AND m.until IS NULL
      LEFT JOIN {{ e.tables.common_model | table }} AS p ON p.{{ e.key | column }} = i.{{ e.key | column }}
      WHERE p.{{ e.key | column }} IS NULL
      GROUP BY i.{{ e.key | column }}
{%- endmacro %}
{% set asked = {
  'two_records_of_one_system': two_records_of_one_system,
  'two_customers_have_it': two_customers_have_it,
  'only_another_system_has_it': only_another_system_has_it,
} %}
-- How many rows of {{ e.name }} break what is only told, and since when the oldest does.
{% for check in warns %}
SELECT {{ check.name | word }} AS name, COUNT(*) AS found, {{ 'MIN(since)' if check.tells_since else 'CAST(NULL AS TIMESTAMP)' }} AS oldest
FROM (
      {{ check.sql or asked[check.name]() }}
)
{{ 'UNION ALL' if not loop.last }}
{% endfor %}
ORDER BY name

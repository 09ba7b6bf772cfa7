{% import 'slots.sql' as slots %}
{#- The last event of each key at or below its slot's position. @above, @up_to: per slot, what was sent once more
    already, and the position (0 where nothing is asked for); @customers: whose rows are meant, a key a line. -#}
{% macro last_events(change_log, key, customer) -%}
SELECT
  {{ key | column }},
  MAX(change_number) AS change_number,
  MAX(IF(operation = 'delete', change_number, 0)) = MAX(change_number) AS is_removal
FROM {{ change_log | table }} AS l
WHERE is_event AND change_number <= @up_to[OFFSET({{ slots.slot(key) }})]
{% if customer %}
  AND {{ key | column }} IN (
    SELECT {{ key | column }} FROM {{ change_log | table }}
    WHERE {{ customer | column }} IN (SELECT said FROM UNNEST(SPLIT(@customers, '\n')) AS said)
  )
{% endif %}
GROUP BY {{ key | column }}
HAVING MAX(l.change_number) > @above[OFFSET({{ slots.slot(key) }})]
{%- endmacro %}

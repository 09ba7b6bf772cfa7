{% import 'slots.sql' as slots %}
-- What waits in the change log, window by window: nothing may be missing, and what is read of it is counted beforehand.
SELECT
  DIV((change_number - @low - 1), {{ width | number }}) AS part,
  COUNT(*) AS changes,
  COUNT(DISTINCT change_number) AS numbers,
  COUNTIF({{ key | column }} IS NULL) AS without_key,
{% if by_slot %}
  COUNTIF(is_event AND {{ slots.waits(key) }}) AS events,
  COUNTIF(NOT is_event AND {{ slots.waits(key) }}) AS without_event,
{% else %}
  COUNTIF(is_event) AS events,
  COUNTIF(NOT is_event) AS without_event,
{% endif %}
  MAX(IF(change_number = @high, changed_at, NULL)) AS changed_at
FROM {{ change_log | table }}
WHERE change_number > @low AND change_number <= @high
GROUP BY part
ORDER BY part

-- How many rows of {{ entity }} break what is only told, and since when the oldest does.
{% for check in warns %}
SELECT {{ check.name | word }} AS name, COUNT(*) AS found, {{ 'MIN(since)' if check.tells_since else 'CAST(NULL AS TIMESTAMP)' }} AS oldest
FROM (
      {{ check.sql }}
)
{{ 'UNION ALL' if not loop.last }}
{% endfor %}
ORDER BY name

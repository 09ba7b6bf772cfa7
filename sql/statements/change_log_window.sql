{% import 'slots.sql' as slots %}
-- What of one window of the change log is to be sent, in the order of its numbers.
SELECT {% for name in columns %}{{ name | column }}{{ ', ' if not loop.last }}{% endfor %}

FROM {{ change_log | table }}
WHERE change_number > @low AND change_number <= @high AND is_event{% if by_slot %} AND {{ slots.waits(key) }}{% endif %}

ORDER BY change_number

-- The changes of one window, in the order of their numbers.
SELECT {% for name in columns %}{{ name | column }}{{ ', ' if not loop.last }}{% endfor %}

FROM {{ change_log | table }}
WHERE change_number > @low AND change_number <= @high
ORDER BY change_number

-- What of one window of the change log is sent once more, in the order of its numbers.
SELECT {% for name in columns %}l.{{ name | column }}{{ ', ' if not loop.last }}{% endfor %}

FROM {{ change_log | table }} AS l
JOIN {{ chosen | table }} AS c ON c.change_number = l.change_number
WHERE l.change_number > @low AND l.change_number <= @high AND c.change_number > @low AND c.change_number <= @high
ORDER BY l.change_number

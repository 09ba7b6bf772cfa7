-- When the change log gave some of its numbers.
SELECT change_number, changed_at
FROM {{ change_log | table }}
WHERE change_number IN ({% for name in numbers %}@{{ name }}{{ ', ' if not loop.last }}{% endfor %})

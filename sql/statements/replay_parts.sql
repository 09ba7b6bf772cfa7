-- How many of them there are, by even parts of the change log.
SELECT DIV(change_number, {{ width | number }}) AS part, COUNT(*) AS changes
FROM {{ chosen | table }}
GROUP BY part
ORDER BY part

-- The keys of those whom a reviewed query has chosen.
SELECT DISTINCT chosen.{{ key | column }}
FROM (
{{ chosen }}
) AS chosen
WHERE chosen.{{ key | column }} IS NOT NULL
LIMIT {{ most | number }}

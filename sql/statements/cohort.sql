-- The ids by which one system knows those whom a reviewed query has chosen.
SELECT DISTINCT i.source_key
FROM {{ identity | table }} AS i
WHERE i.system = @system AND i.id_space = @id_space AND i.{{ key | column }} IN (
{{ chosen }}
)
LIMIT {{ most | number }}

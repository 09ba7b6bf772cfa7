-- Whose keys the ids of the form are.
-- Whose ids these are: each once, as `identity` writes it.
CREATE TEMP TABLE asked AS
SELECT a.id, i.customer_key
FROM (SELECT DISTINCT id FROM UNNEST(SPLIT(@ids, '\n')) AS id) AS a
LEFT JOIN (
  SELECT source_key AS id, customer_key FROM `project.identity.customer` WHERE system = @system AND id_space = @id_space
) AS i ON i.id = a.id;
SELECT id, customer_key FROM asked

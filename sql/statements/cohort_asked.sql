-- Whose ids these are: each once, as `identity` writes it.
CREATE TEMP TABLE asked AS
SELECT a.id, i.customer_key
FROM (SELECT DISTINCT id FROM UNNEST(SPLIT(@ids, '\n')) AS id) AS a
LEFT JOIN (
{% if ids_are_keys %}
  SELECT DISTINCT customer_key AS id, customer_key FROM {{ customer.identity | table }}
{% else %}
  SELECT source_key AS id, customer_key FROM {{ customer.identity | table }} WHERE system = @system AND id_space = @id_space
{% endif %}
) AS i ON i.id = a.id;

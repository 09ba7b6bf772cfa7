-- How many rows of contact_preference break what is only told, and since when the oldest does.
SELECT 'customer_is_there' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT c.contact_preference_key, c.changed_at AS since
      FROM `project.common_model.contact_preference` AS c
      LEFT JOIN `project.common_model.customer` AS p ON p.customer_key = c.customer_key
      WHERE c.customer_key IS NOT NULL AND p.customer_key IS NULL
)
ORDER BY name

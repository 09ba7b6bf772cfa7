-- How many rows of customer break what is only told, and since when the oldest does.
SELECT 'born_in_living_memory' AS name, COUNT(*) AS found, CAST(NULL AS TIMESTAMP) AS oldest
FROM (
      SELECT customer_key
      FROM `project.common_model.customer`
      WHERE birth_date NOT BETWEEN DATE '1900-01-01' AND DATE_ADD(CURRENT_DATE(), INTERVAL 1 DAY)
)
UNION ALL
SELECT 'holds_an_account' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT c.customer_key, c.changed_at AS since
      FROM `project.common_model.customer` AS c
      LEFT JOIN `project.common_model.account` AS a ON a.customer_key = c.customer_key
      WHERE a.customer_key IS NULL
)
ORDER BY name

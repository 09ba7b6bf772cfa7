-- How many rows of account break what is only told, and since when the oldest does.
SELECT 'closed_after_opened' AS name, COUNT(*) AS found, CAST(NULL AS TIMESTAMP) AS oldest
FROM (
      SELECT account_key
      FROM `project.common_model.account`
      WHERE closed_on < opened_on
)
UNION ALL
SELECT 'customer_is_there' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT a.account_key, a.changed_at AS since
      FROM `project.common_model.account` AS a
      LEFT JOIN `project.common_model.customer` AS c ON c.customer_key = a.customer_key
      WHERE a.customer_key IS NOT NULL AND c.customer_key IS NULL
)
ORDER BY name

-- How many rows of supply_point break what is only told, and since when the oldest does.
SELECT 'account_is_there' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT c.supply_point_key, c.changed_at AS since
      FROM `project.common_model.supply_point` AS c
      LEFT JOIN `project.common_model.account` AS p ON p.account_key = c.account_key
      WHERE c.account_key IS NOT NULL AND p.account_key IS NULL
)
ORDER BY name

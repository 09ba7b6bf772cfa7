-- How many rows of agreement break what is only told, and since when the oldest does.
SELECT 'account_is_there' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT c.agreement_key, c.changed_at AS since
      FROM `project.common_model.agreement` AS c
      LEFT JOIN `project.common_model.account` AS p ON p.account_key = c.account_key
      WHERE c.account_key IS NOT NULL AND p.account_key IS NULL
)
UNION ALL
SELECT 'supply_point_is_there' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT c.agreement_key, c.changed_at AS since
      FROM `project.common_model.agreement` AS c
      LEFT JOIN `project.common_model.supply_point` AS p ON p.supply_point_key = c.supply_point_key
      WHERE c.supply_point_key IS NOT NULL AND p.supply_point_key IS NULL
)
UNION ALL
SELECT 'ends_after_it_starts' AS name, COUNT(*) AS found, CAST(NULL AS TIMESTAMP) AS oldest
FROM (
      SELECT agreement_key
      FROM `project.common_model.agreement`
      WHERE ends_on < starts_on
)
ORDER BY name

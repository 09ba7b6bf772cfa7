-- How many rows of customer break what is only told, and since when the oldest does.
SELECT 'two_records_of_one_system' AS name, COUNT(*) AS found, CAST(NULL AS TIMESTAMP) AS oldest
FROM (
      SELECT DISTINCT i.`customer_key`
      FROM `project.identity.customer` AS i
      JOIN `project.conformed.customer` AS c
        ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
      WHERE i.`customer_key` IN (SELECT `customer_key` FROM `project.identity.customer` WHERE is_linked)
      GROUP BY i.`customer_key`, i.system
      HAVING COUNT(*) > 1
)
UNION ALL
SELECT 'only_another_system_has_it' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT i.`customer_key`, MIN(m.since) AS since
      FROM `project.identity.customer` AS i
      JOIN `project.conformed.customer` AS c
        ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
      JOIN `project.migration.authority` AS m ON m.customer_key = i.`customer_key` AND m.until IS NULL
      LEFT JOIN `project.common_model.customer` AS p ON p.`customer_key` = i.`customer_key`
      WHERE p.`customer_key` IS NULL
      GROUP BY i.`customer_key`
)
UNION ALL
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

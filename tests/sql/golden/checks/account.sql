-- How many rows of account break what is only told, and since when the oldest does.
SELECT 'two_records_of_one_system' AS name, COUNT(*) AS found, CAST(NULL AS TIMESTAMP) AS oldest
FROM (
      SELECT DISTINCT i.`account_key`
      FROM `project.identity.account` AS i
      JOIN `project.conformed.account` AS c
        ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
      WHERE i.`account_key` IN (SELECT `account_key` FROM `project.identity.account` WHERE is_linked)
      GROUP BY i.`account_key`, i.system
      HAVING COUNT(*) > 1
)
UNION ALL
SELECT 'two_customers_have_it' AS name, COUNT(*) AS found, CAST(NULL AS TIMESTAMP) AS oldest
FROM (
      SELECT i.`account_key`
      FROM `project.identity.account` AS i
      JOIN `project.conformed.account` AS c
        ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
      LEFT JOIN `project.identity.customer` AS `p_customer_id`
  ON `p_customer_id`.system = c.system
  AND `p_customer_id`.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END)
  AND `p_customer_id`.source_key = c.`customer_id`
      WHERE i.`account_key` IN (SELECT `account_key` FROM `project.identity.account` WHERE is_linked)
      GROUP BY i.`account_key`
      HAVING COUNT(DISTINCT `p_customer_id`.`customer_key`) > 1
)
UNION ALL
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

-- What a replay of the current state would send.
SELECT COUNT(*) AS events, COUNTIF(is_removal) AS tombstones
FROM (
SELECT
  `account_key`,
  MAX(change_number) AS change_number,
  MAX(IF(operation = 'delete', change_number, 0)) = MAX(change_number) AS is_removal
FROM `project.change_log.account` AS l
WHERE is_event AND change_number <= @up_to[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`account_key`, 1, 2)) AS INT64), 64))]
  AND `account_key` IN (
    SELECT `account_key` FROM `project.change_log.account`
    WHERE `customer_key` IN (SELECT said FROM UNNEST(SPLIT(@customers, '\n')) AS said)
  )
GROUP BY `account_key`
HAVING MAX(l.change_number) > @above[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`account_key`, 1, 2)) AS INT64), 64))]
) AS last

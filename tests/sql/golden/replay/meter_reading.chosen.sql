-- Which changes are sent once more: found once, read by windows.
CREATE TABLE `project.staging.replay_meter_reading__0`
CLUSTER BY change_number
OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))
AS
SELECT change_number
FROM (
SELECT
  `meter_reading_key`,
  MAX(change_number) AS change_number,
  MAX(IF(operation = 'delete', change_number, 0)) = MAX(change_number) AS is_removal
FROM `project.change_log.meter_reading` AS l
WHERE is_event AND change_number <= @up_to[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`meter_reading_key`, 1, 2)) AS INT64), 64))]
GROUP BY `meter_reading_key`
HAVING MAX(l.change_number) > @above[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`meter_reading_key`, 1, 2)) AS INT64), 64))]
) AS last

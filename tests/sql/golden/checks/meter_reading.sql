-- How many rows of meter_reading break what is only told, and since when the oldest does.
SELECT 'reading_not_negative' AS name, COUNT(*) AS found, CAST(NULL AS TIMESTAMP) AS oldest
FROM (
      SELECT meter_reading_key
      FROM `project.common_model.meter_reading`
      WHERE read_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 90 DAY) AND reading < 0
)
UNION ALL
SELECT 'meter_is_there' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT c.meter_reading_key, c.changed_at AS since
      FROM `project.common_model.meter_reading` AS c
      LEFT JOIN `project.common_model.meter` AS p ON p.meter_key = c.meter_key
      WHERE c.read_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 90 DAY) AND p.meter_key IS NULL
)
ORDER BY name

-- How many rows of meter break what is only told, and since when the oldest does.
SELECT 'supply_point_is_there' AS name, COUNT(*) AS found, MIN(since) AS oldest
FROM (
      SELECT c.meter_key, c.changed_at AS since
      FROM `project.common_model.meter` AS c
      LEFT JOIN `project.common_model.supply_point` AS p ON p.supply_point_key = c.supply_point_key
      WHERE c.supply_point_key IS NOT NULL AND p.supply_point_key IS NULL
)
ORDER BY name

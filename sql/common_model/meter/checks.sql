-- What must hold of meters. (That a key has one row is asked of every entity.)

-- warn supply_point_is_there: the supply point is read at another time and may be a day late, so look when the oldest is older
SELECT c.meter_key, c.changed_at AS since
FROM common_model.meter AS c
LEFT JOIN common_model.supply_point AS p ON p.supply_point_key = c.supply_point_key
WHERE c.supply_point_key IS NOT NULL AND p.supply_point_key IS NULL;

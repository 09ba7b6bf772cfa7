-- What must hold of meter readings. (That a key has one row is asked of every entity.)
-- What is only told looks at the last three months: the table is large, and what is older was told then.

-- fail reading_within_bounds: registers have at most nine digits, so a longer number is another column
SELECT meter_reading_key
FROM changed
WHERE ABS(reading) >= 1000000000;

-- warn reading_not_negative: a register does not turn below zero, so somebody typed it wrong
SELECT meter_reading_key
FROM common_model.meter_reading
WHERE read_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 90 DAY) AND reading < 0;

-- warn meter_is_there: the meter is read at another time and may be a day late, so look when the oldest is older
SELECT c.meter_reading_key, c.changed_at AS since
FROM common_model.meter_reading AS c
LEFT JOIN common_model.meter AS p ON p.meter_key = c.meter_key
WHERE c.read_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 90 DAY) AND p.meter_key IS NULL;

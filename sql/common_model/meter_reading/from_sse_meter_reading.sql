-- SSE's meter readings as common-model meter readings.
--
-- Reads    staging.sse_meter_reading
-- Choices  a register that lost its zero gets it back, and the blank behind it goes; a withdrawn reading (W) does not
--          count; one of a meter that did not answer (NULL) counts, without a value; a reading that is less than the
--          one before stays as it is, because nobody can say from one row whether it clocked over or was misread; in
--          the hour that autumn has twice a time without zone means its first turn
SELECT
  MeterId                                          AS meter_id,
  REGEXP_REPLACE(TRIM(Register), r'^\d$', r'0\0')  AS register,
  TIMESTAMP(ReadAt, 'Europe/London')               AS read_at,
  Reading                                          AS reading,
  CASE UPPER(TRIM(ReadingType))
    WHEN 'A' THEN 'actual'
    WHEN 'C' THEN 'customer'
    WHEN 'E' THEN 'estimated'
    WHEN 'S' THEN 'smart'
    ELSE TRIM(ReadingType)
  END                                              AS taken_by,
  UPPER(TRIM(Status)) <> 'W'                       AS is_present
FROM staging.sse_meter_reading

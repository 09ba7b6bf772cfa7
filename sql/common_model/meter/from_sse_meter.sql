-- SSE's meters as common-model meters.
--
-- Reads    staging.sse_meter
-- Choices  a serial number was typed: small letters become capitals and blanks go, wherever they are, so that a meter
--          has one number in each system (one without any number is quarantined); of its fitting only the day counts
SELECT
  SupplyPointId                                               AS supply_point_id,
  NULLIF(UPPER(REGEXP_REPLACE(SerialNumber, r'\s', '')), '')  AS serial_number,
  NULLIF(UPPER(TRIM(MeterType)), '')                          AS meter_type,
  Registers                                                   AS register_count,
  DATE(InstalledOn)                                           AS installed_on,
  DATE(RemovedOn)                                             AS removed_on
FROM staging.sse_meter

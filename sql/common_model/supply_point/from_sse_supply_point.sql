-- SSE's supply points as common-model supply points.
--
-- Reads    staging.sse_supply_point
-- Choices  E and G become words, and any other fuel is none; the number is the MPAN of electricity and the MPRN of gas,
--          without the blanks that fill it up or part it: without fuel or number a row is no point of the world, and is
--          quarantined; blank means unknown
SELECT
  AccountNo                                                                       AS account_id,
  CASE UPPER(TRIM(Fuel)) WHEN 'E' THEN 'electricity' WHEN 'G' THEN 'gas' END      AS fuel,
  NULLIF(REGEXP_REPLACE(IF(UPPER(TRIM(Fuel)) = 'G', Mprn, Mpan), r'\s', ''), '')  AS supply_number,
  NULLIF(TRIM(GspGroup), '')                                                      AS region,
  NULLIF(TRIM(ProfileClass), '')                                                  AS profile_class,
  NULLIF(TRIM(Postcode), '')                                                      AS postcode,
  IsDeenergised                                                                   AS is_deenergised,
  TIMESTAMP(EffectiveFrom, 'Europe/London')                                       AS supplied_since_at
FROM staging.sse_supply_point

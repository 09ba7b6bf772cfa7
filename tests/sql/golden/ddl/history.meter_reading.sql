-- Every row as it was from `valid_from` until `valid_to` (NULL: it is so now), of all systems. A removal ends a row and is
-- none. Any moment @t: WHERE valid_from <= @t AND (valid_to > @t OR valid_to IS NULL). Several changes of one key may
-- have one time (a transaction's clock is its start): the last of them counts, the others were true at no moment.
CREATE OR REPLACE VIEW `project.history.meter_reading`
OPTIONS (description = 'definition-0e62409f97e4191c')
AS
SELECT
  h.`meter_reading_key`,
  h.source_system,
  h.change_number,
  h.changed_at AS valid_from,
  h.valid_to,
  h.`meter_key`,
  h.`register`,
  h.`read_at`,
  h.`reading`,
  h.`taken_by`
FROM (
  SELECT *, LEAD(changed_at) OVER (PARTITION BY `meter_reading_key` ORDER BY change_number) AS valid_to
  FROM `project.change_log.meter_reading`
) AS h
WHERE h.operation <> 'delete' AND (h.valid_to IS NULL OR h.valid_to > h.changed_at)

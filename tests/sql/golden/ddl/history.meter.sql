-- Every row as it was from `valid_from` until `valid_to` (NULL: it is so now), of all systems. A removal ends a row and is
-- none. Any moment @t: WHERE valid_from <= @t AND (valid_to > @t OR valid_to IS NULL). Several changes of one key may
-- have one time (a transaction's clock is its start): the last of them counts, the others were true at no moment.
CREATE OR REPLACE VIEW `project.history.meter`
OPTIONS (description = 'definition-744d6d37ee964bfc')
AS
SELECT
  h.`meter_key`,
  h.source_system,
  h.change_number,
  h.changed_at AS valid_from,
  h.valid_to,
  h.`supply_point_key`,
  h.`serial_number`,
  h.`meter_type`,
  h.`register_count`,
  h.`installed_on`,
  h.`removed_on`
FROM (
  SELECT *, LEAD(changed_at) OVER (PARTITION BY `meter_key` ORDER BY change_number) AS valid_to
  FROM `project.change_log.meter`
) AS h
WHERE h.operation <> 'delete' AND (h.valid_to IS NULL OR h.valid_to > h.changed_at)

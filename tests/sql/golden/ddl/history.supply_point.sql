-- Every row as it was from `valid_from` until `valid_to` (NULL: it is so now), of all systems. A removal ends a row and is
-- none. Any moment @t: WHERE valid_from <= @t AND (valid_to > @t OR valid_to IS NULL). Several changes of one key may
-- have one time (a transaction's clock is its start): the last of them counts, the others were true at no moment.
CREATE OR REPLACE VIEW `project.history.supply_point`
OPTIONS (description = 'definition-886138584eb50554')
AS
SELECT
  h.`supply_point_key`,
  h.source_system,
  h.change_number,
  h.changed_at AS valid_from,
  h.valid_to,
  h.`account_key`,
  h.`fuel`,
  h.`supply_number`,
  h.`region`,
  h.`profile_class`,
  h.`postcode`,
  h.`is_deenergised`,
  h.`supplied_since_at`
FROM (
  SELECT *, LEAD(changed_at) OVER (PARTITION BY `supply_point_key` ORDER BY change_number) AS valid_to
  FROM `project.change_log.supply_point`
) AS h
WHERE h.operation <> 'delete' AND (h.valid_to IS NULL OR h.valid_to > h.changed_at)

-- Every row as it was from `valid_from` until `valid_to` (NULL: it is so now), of all systems. A removal ends a row and is
-- none. Any moment @t: WHERE valid_from <= @t AND (valid_to > @t OR valid_to IS NULL). Several changes of one key may
-- have one time (a transaction's clock is its start): the last of them counts, the others were true at no moment.
CREATE OR REPLACE VIEW `project.history.priority_service`
OPTIONS (description = 'definition-59507051385014ca')
AS
SELECT
  h.`priority_service_key`,
  h.source_system,
  h.change_number,
  h.changed_at AS valid_from,
  h.valid_to,
  h.`customer_key`,
  h.`needs_code`,
  h.`details`,
  h.`may_be_shared`,
  h.`registered_on`,
  h.`review_on`
FROM (
  SELECT *, LEAD(changed_at) OVER (PARTITION BY `priority_service_key` ORDER BY change_number) AS valid_to
  FROM `project.change_log.priority_service`
) AS h
WHERE h.operation <> 'delete' AND (h.valid_to IS NULL OR h.valid_to > h.changed_at)

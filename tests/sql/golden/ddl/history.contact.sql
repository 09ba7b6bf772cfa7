-- Every row as it was from `valid_from` until `valid_to` (NULL: it is so now), of all systems. A removal ends a row and is
-- none. Any moment @t: WHERE valid_from <= @t AND (valid_to > @t OR valid_to IS NULL). Several changes of one key may
-- have one time (a transaction's clock is its start): the last of them counts, the others were true at no moment.
CREATE OR REPLACE VIEW `project.history.contact`
OPTIONS (description = 'definition-f8cc2ff45fb4e1d2')
AS
SELECT
  h.`contact_key`,
  h.source_system,
  h.change_number,
  h.changed_at AS valid_from,
  h.valid_to,
  h.`customer_key`,
  h.`kind`,
  h.`full_name`,
  h.`phone`,
  h.`email`,
  h.`authorised_at`
FROM (
  SELECT *, LEAD(changed_at) OVER (PARTITION BY `contact_key` ORDER BY change_number) AS valid_to
  FROM `project.change_log.contact`
) AS h
WHERE h.operation <> 'delete' AND (h.valid_to IS NULL OR h.valid_to > h.changed_at)

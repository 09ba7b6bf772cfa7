-- Every row as it was from `valid_from` until `valid_to` (NULL: it is so now), of all systems. A removal ends a row and is
-- none. Any moment @t: WHERE valid_from <= @t AND (valid_to > @t OR valid_to IS NULL). Several changes of one key may
-- have one time (a transaction's clock is its start): the last of them counts, the others were true at no moment.
CREATE OR REPLACE VIEW `project.history.bill`
OPTIONS (description = 'definition-2ad0278e0930e1db')
AS
SELECT
  h.`bill_key`,
  h.source_system,
  h.change_number,
  h.changed_at AS valid_from,
  h.valid_to,
  h.`account_key`,
  h.`bill_number`,
  h.`period_starts_on`,
  h.`period_ends_on`,
  h.`net_gbp`,
  h.`vat_gbp`,
  h.`kind`,
  h.`issued_on`,
  h.`due_on`
FROM (
  SELECT *, LEAD(changed_at) OVER (PARTITION BY `bill_key` ORDER BY change_number) AS valid_to
  FROM `project.change_log.bill`
) AS h
WHERE h.operation <> 'delete' AND (h.valid_to IS NULL OR h.valid_to > h.changed_at)

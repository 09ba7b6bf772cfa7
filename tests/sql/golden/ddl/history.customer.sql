-- Every row as it was from `valid_from` until `valid_to` (NULL: it is so now), of all systems. A removal ends a row and is
-- none. Any moment @t: WHERE valid_from <= @t AND (valid_to > @t OR valid_to IS NULL). Several changes of one key may
-- have one time (a transaction's clock is its start): the last of them counts, the others were true at no moment.
CREATE OR REPLACE VIEW `project.history.customer`
OPTIONS (description = 'definition-c42372dd8ff426cc')
AS
SELECT
  h.`customer_key`,
  h.source_system,
  h.change_number,
  h.changed_at AS valid_from,
  h.valid_to,
  h.`given_name`,
  h.`family_name`,
  h.`email`,
  h.`birth_date`,
  h.`registered_at`
FROM (
  SELECT *, LEAD(changed_at) OVER (PARTITION BY `customer_key` ORDER BY change_number) AS valid_to
  FROM `project.change_log.customer`
) AS h
WHERE h.operation <> 'delete' AND (h.valid_to IS NULL OR h.valid_to > h.changed_at)

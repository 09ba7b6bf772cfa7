-- Gentrack accounts, from the old warehouse, as common-model accounts.
--
-- Reads    staging.mis_gentrack_account
-- Choices  what follows the last comma of the supply address is the postcode; without a comma all of it is the
--          address; 9999-12-31 means open
SELECT
  CustomerRef                                                              AS customer_id,
  TRIM(AccountId)                                                          AS account_number,
  Balance                                                                  AS balance_gbp,
  OpenedOn                                                                 AS opened_on,
  NULLIF(ClosedOn, DATE '9999-12-31')                                      AS closed_on,
  NULLIF(TRIM(REGEXP_REPLACE(Supply_Address, r',[^,]*$', '')), '')         AS address,
  NULLIF(TRIM(REGEXP_EXTRACT(Supply_Address, r',([^,]*)$')), '')           AS postcode
FROM staging.mis_gentrack_account

-- The energy platform's accounts as common-model accounts.
--
-- Reads    staging.platform_account
-- Choices  blank means unknown, as everywhere; an account that was imported is the same as the one that it was imported
--          from (who speaks for it is decided by its customer)
SELECT
  customer_id                        AS customer_id,
  account_id                         AS account_number,
  balance_gbp                        AS balance_gbp,
  opened_on                          AS opened_on,
  closed_on                          AS closed_on,
  NULLIF(TRIM(address), '')          AS address,
  NULLIF(TRIM(postcode), '')         AS postcode,
  NULLIF(TRIM(imported_from), '')    AS same_as
FROM staging.platform_account

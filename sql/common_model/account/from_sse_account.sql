-- SSE billing accounts as common-model accounts.
--
-- Reads    staging.sse_account
-- Choices  9999-12-31 is SSE's way to say that an account is open
SELECT
  CustomerId                               AS customer_id,
  TRIM(AccountNo)                          AS account_number,
  Balance                                  AS balance_gbp,
  OpenedOn                                 AS opened_on,
  NULLIF(ClosedOn, DATE '9999-12-31')      AS closed_on,
  NULLIF(TRIM(AddressLine1), '')           AS address,
  NULLIF(TRIM(Postcode), '')               AS postcode
FROM staging.sse_account

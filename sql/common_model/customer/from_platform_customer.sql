-- The energy platform's customers as common-model customers.
--
-- Reads    staging.platform_customer
-- Choices  blank means unknown, as everywhere; a record without the flag counts as active
SELECT
  NULLIF(TRIM(given_name), '')   AS given_name,
  NULLIF(TRIM(family_name), '')  AS family_name,
  NULLIF(TRIM(email), '')        AS email,
  date_of_birth                  AS birth_date,
  created_at                     AS registered_at,
  COALESCE(is_active, TRUE)      AS is_present
FROM staging.platform_customer

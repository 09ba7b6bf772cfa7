-- The energy platform's customers as common-model customers.
--
-- Reads    staging.platform_customer
-- Choices  blank means unknown, as everywhere; a record without the flag counts as active; a record that was imported
--          is the same customer as the one that it was imported from, and the platform speaks for him since it says
--          that it took him over: one that was only prepared (no migrated_at) leaves the old system speaking, and a
--          moment without an import means nothing
SELECT
  NULLIF(TRIM(given_name), '')                                         AS given_name,
  NULLIF(TRIM(family_name), '')                                        AS family_name,
  NULLIF(TRIM(email), '')                                              AS email,
  date_of_birth                                                        AS birth_date,
  created_at                                                           AS registered_at,
  COALESCE(is_active, TRUE)                                            AS is_present,
  NULLIF(TRIM(imported_from), '')                                      AS same_as,
  IF(NULLIF(TRIM(imported_from), '') IS NULL, NULL, migrated_at)       AS taken_over_at
FROM staging.platform_customer

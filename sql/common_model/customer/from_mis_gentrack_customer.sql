-- Gentrack customers, from the old warehouse, as common-model customers.
--
-- Reads    staging.mis_gentrack_customer
-- Choices  the name is "surname, first name", and without a comma all of it is the surname; 1753-01-01 means
--          unknown; the warehouse does not say when a customer was registered
SELECT
  NULLIF(TRIM(SPLIT(FullName, ',')[SAFE_OFFSET(1)]), '')  AS given_name,
  NULLIF(TRIM(SPLIT(FullName, ',')[SAFE_OFFSET(0)]), '')  AS family_name,
  NULLIF(TRIM(Email), '')                                 AS email,
  NULLIF(DATE(BirthDate), DATE '1753-01-01')              AS birth_date,
  CAST(NULL AS TIMESTAMP)                                 AS registered_at,
  NOT IsDeleted                                           AS is_present
FROM staging.mis_gentrack_customer

-- SSE billing customers as common-model customers.
--
-- Reads    staging.sse_customer
-- Choices  a blank name or e-mail means unknown; 1753-01-01 is SSE's way to say that a birth date is not known;
--          title and phone are dropped because nobody claims them; a cancelled customer (X) does not count
SELECT
  NULLIF(TRIM(FirstName), '')               AS given_name,
  NULLIF(TRIM(Surname), '')                 AS family_name,
  NULLIF(TRIM(Email), '')                   AS email,
  NULLIF(DateOfBirth, DATE '1753-01-01')    AS birth_date,
  TIMESTAMP(CreatedAt, 'Europe/London')     AS registered_at,
  Status <> 'X'                             AS is_present
FROM staging.sse_customer

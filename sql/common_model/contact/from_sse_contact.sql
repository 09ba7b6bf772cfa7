-- SSE's contacts as common-model contacts.
--
-- Reads    staging.sse_contact
-- Choices  blank means unknown; a kind is said in words, and one that we do not know stays the code that it is; who is
--          flagged as deleted is gone (the dataset's contract says so), so nothing is said of it here
SELECT
  CustomerId                               AS customer_id,
  CASE UPPER(TRIM(ContactType))
    WHEN 'JNT' THEN 'joint holder'
    WHEN 'NOM' THEN 'nominee'
    WHEN 'EXE' THEN 'executor'
    WHEN 'LLD' THEN 'landlord'
    ELSE TRIM(ContactType)
  END                                      AS kind,
  NULLIF(TRIM(FullName), '')               AS full_name,
  NULLIF(TRIM(Phone), '')                  AS phone,
  NULLIF(TRIM(Email), '')                  AS email,
  TIMESTAMP(ValidFrom, 'Europe/London')    AS authorised_at
FROM staging.sse_contact

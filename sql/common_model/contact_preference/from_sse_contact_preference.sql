-- SSE's contact preferences as common-model contact preferences.
--
-- Reads    staging.sse_contact_preference
-- Choices  channels and purposes in small letters, without the blanks that fill them up; an answer that came by a
--          migration is kept as an answer, and told_by says where it came from
SELECT
  CustomerId                               AS customer_id,
  LOWER(TRIM(Channel))                     AS channel,
  LOWER(TRIM(Purpose))                     AS purpose,
  IsAllowed                                AS is_allowed,
  TIMESTAMP(ChangedAt, 'Europe/London')    AS decided_at,
  NULLIF(LOWER(TRIM(Source)), '')          AS told_by
FROM staging.sse_contact_preference

-- SSE's priority services register as common-model priority services.
--
-- Reads    staging.sse_priority_services
-- Choices  a code that lost its zero gets it back, and the blank behind it goes; anything but Y is no consent; blank
--          details are none; the word by which a visitor shows who he is (VisitPassword) is left where it is
SELECT
  CustomerId                                                AS customer_id,
  REGEXP_REPLACE(TRIM(NeedsCode), r'^\d$', r'0\0')          AS needs_code,
  NULLIF(TRIM(Details), '')                                 AS details,
  COALESCE(UPPER(TRIM(ConsentGiven)) = 'Y', FALSE)          AS may_be_shared,
  RegisteredOn                                              AS registered_on,
  ReviewOn                                                  AS review_on
FROM staging.sse_priority_services

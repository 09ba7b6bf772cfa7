-- SSE's payments as common-model payments.
--
-- Reads    staging.sse_payment
-- Choices  the ways to pay in small letters, blank means unknown; a payment that bounced is deleted at the source, so
--          it is gone here too; all four decimals of an amount are kept
SELECT
  AccountNo                             AS account_id,
  Amount                                AS amount_gbp,
  TIMESTAMP(PaidAt, 'Europe/London')    AS paid_at,
  NULLIF(LOWER(TRIM(Method)), '')       AS method
FROM staging.sse_payment

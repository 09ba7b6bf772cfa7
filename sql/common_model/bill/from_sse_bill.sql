-- SSE's bills as common-model bills.
--
-- Reads    staging.sse_bill
-- Choices  a cancelled bill does not count, so that sums are right: the bill that took its place is a row of its own,
--          and which it was (ReplacedBy) is left at the source; of the moment of issue the day counts, as Gentrack has
--          no more; all four decimals of money are kept
SELECT
  AccountNo                                AS account_id,
  CAST(BillId AS STRING)                   AS bill_number,
  PeriodFrom                               AS period_starts_on,
  PeriodTo                                 AS period_ends_on,
  Net                                      AS net_gbp,
  Vat                                      AS vat_gbp,
  CASE UPPER(TRIM(BillType))
    WHEN 'A' THEN 'actual'
    WHEN 'E' THEN 'estimated'
    WHEN 'F' THEN 'final'
    ELSE TRIM(BillType)
  END                                      AS kind,
  DATE(IssuedAt)                           AS issued_on,
  DueOn                                    AS due_on,
  NOT IsCancelled                          AS is_present
FROM staging.sse_bill

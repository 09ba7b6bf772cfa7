-- SSE's agreements as common-model agreements.
--
-- Reads    staging.sse_agreement
-- Choices  a tariff's code in capitals, without the blanks that fill it up, as SQL Server compares it; a way to pay is
--          said in words, in whatever case its code was typed, and one that we do not know stays its code; 9999-12-31
--          means that it goes on, as NULL does
SELECT
  AccountNo                                AS account_id,
  SupplyPointId                            AS supply_point_id,
  UPPER(TRIM(TariffCode))                  AS tariff_code,
  CASE UPPER(TRIM(PaymentMethod))
    WHEN 'DD' THEN 'direct debit'
    WHEN 'CC' THEN 'on receipt of bill'
    WHEN 'PP' THEN 'prepayment'
    WHEN 'SO' THEN 'standing order'
    ELSE NULLIF(UPPER(TRIM(PaymentMethod)), '')
  END                                      AS payment_method,
  MonthlyAmount                            AS monthly_amount_gbp,
  TIMESTAMP(SignedAt, 'Europe/London')     AS signed_at,
  StartsOn                                 AS starts_on,
  NULLIF(EndsOn, DATE '9999-12-31')        AS ends_on
FROM staging.sse_agreement

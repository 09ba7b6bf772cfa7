-- Gentrack's invoices, from the old warehouse, as common-model bills.
--
-- Reads    staging.mis_gentrack_invoice
-- Choices  the warehouse keeps neither the period nor the kind of an invoice, nor when it is due; nor does it say that
--          one was cancelled, so each that is there counts; all four decimals of money are kept
SELECT
  AccountId                      AS account_id,
  CAST(InvoiceId AS STRING)      AS bill_number,
  CAST(NULL AS DATE)             AS period_starts_on,
  CAST(NULL AS DATE)             AS period_ends_on,
  Net                            AS net_gbp,
  Vat                            AS vat_gbp,
  CAST(NULL AS STRING)           AS kind,
  IssuedOn                       AS issued_on,
  CAST(NULL AS DATE)             AS due_on
FROM staging.mis_gentrack_invoice

-- Salesforce's cases, as the old warehouse copies them, as common-model interactions.
--
-- Reads    staging.mis_salesforce_case
-- Choices  a case is an interaction; Salesforce's tasks are not: a task is an agent's own list, and has no customer but
--          its case's; a blank subject means unknown; a case of nobody is kept, with no customer; agents' words for a
--          status stay as they are
SELECT
  CustomerRef                              AS customer_id,
  TRIM(CaseId)                             AS case_number,
  NULLIF(TRIM(Subject), '')                AS subject,
  TRIM(Status)                             AS status,
  TIMESTAMP(OpenedAt, 'Europe/London')     AS opened_at,
  TIMESTAMP(ClosedAt, 'Europe/London')     AS closed_at
FROM staging.mis_salesforce_case

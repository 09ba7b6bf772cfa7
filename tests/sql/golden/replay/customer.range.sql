-- From which change to which a history goes, and what of it would be sent. @from_change, @to_change; or @from_time,
-- @to_time, both included.
SELECT
  MIN(change_number) AS first_change,
  MAX(change_number) AS last_change,
  COUNTIF(is_event) AS events,
  COUNTIF(is_event AND operation = 'delete') AS tombstones
FROM `project.change_log.customer`
WHERE change_number >= @from_change AND change_number <= @to_change
  AND changed_at >= @from_time AND changed_at <= @to_time

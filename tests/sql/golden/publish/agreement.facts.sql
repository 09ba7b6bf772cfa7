-- What waits in the change log, window by window: nothing may be missing, and what is read of it is counted beforehand.
SELECT
  DIV((change_number - @low - 1), 50) AS part,
  COUNT(*) AS changes,
  COUNT(DISTINCT change_number) AS numbers,
  COUNTIF(`agreement_key` IS NULL) AS without_key,
  COUNTIF(is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`agreement_key`, 1, 2)) AS INT64), 64))]) AS events,
  COUNTIF(NOT is_event AND change_number > @published[OFFSET(MOD(CAST(CONCAT('0x', SUBSTR(`agreement_key`, 1, 2)) AS INT64), 64))]) AS without_event,
  MAX(IF(change_number = @high, changed_at, NULL)) AS changed_at
FROM `project.change_log.agreement`
WHERE change_number > @low AND change_number <= @high
GROUP BY part
ORDER BY part

-- How far a landing table may be read: per Kafka partition up to the first gap that is younger than the settling time,
-- because Kafka Connect's threads land out of order. What was read once is never given back: a gap before it does not
-- stop a window, nor a full. What lies more than the overlap behind is counted: when that number grows, rows were lost.
WITH landed AS (
  SELECT `kafka_data`.`partition` AS p, `kafka_data`.`offset` AS o, MIN(`kafka_data`.`insert_time`) AS landed_at
  FROM `project.platform_landing.customer`
  GROUP BY p, o
),
starts AS (
  SELECT CAST(NULL AS INT64) AS p, CAST(NULL AS INT64) AS o
),
steps AS (
  SELECT l.p, l.o, l.landed_at, COALESCE(s.o, 0) AS start, s.p IS NOT NULL AS is_known,
    COALESCE(LAG(l.o) OVER (PARTITION BY l.p ORDER BY l.o), s.o - 1) AS before
  FROM landed AS l
  LEFT JOIN starts AS s ON s.p = l.p
),
ends AS (
  SELECT p, MAX(start) AS start, LOGICAL_OR(is_known) AS is_known, MIN(o) AS first, MAX(o) + 1 AS beyond,
    MIN(IF(o >= start AND o - before > 1 AND landed_at > @settled_before, GREATEST(before + 1, start), NULL)) AS gap
  FROM steps
  GROUP BY p
)
SELECT
  e.p AS partition_number,
  ANY_VALUE(IF(e.is_known AND NOT @is_full, e.start, e.first)) AS start,
  ANY_VALUE(COALESCE(e.gap, e.beyond)) AS stop,
  ANY_VALUE(e.beyond) AS beyond,
  COUNTIF(l.o < e.start - @overlap) AS behind_before,
  COUNTIF(l.o < COALESCE(e.gap, e.beyond) - @overlap) AS behind,
  COUNTIF((@is_full OR l.o >= e.start) AND l.o < COALESCE(e.gap, e.beyond)) AS counted
FROM ends AS e
JOIN landed AS l ON l.p = e.p
GROUP BY e.p
ORDER BY partition_number

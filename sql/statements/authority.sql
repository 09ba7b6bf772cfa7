{#- Which system speaks for a customer: what is decided is written with its history, and only where it changes. -#}
{% macro decide(tables, decision, decided_by, move_id) %}
UPDATE {{ tables.authority | table }} AS m
SET until = v_changed_at
WHERE m.until IS NULL
  AND EXISTS (SELECT 1 FROM {{ decision }} AS d WHERE d.customer_key = m.customer_key AND d.system <> m.system);
INSERT INTO {{ tables.authority | table }} (customer_key, system, since, decided_by, move_id)
SELECT d.customer_key, d.system, v_changed_at, {{ decided_by }}, {{ move_id }}
FROM {{ decision }} AS d
LEFT JOIN {{ tables.authority | table }} AS m ON m.customer_key = d.customer_key AND m.until IS NULL
WHERE m.customer_key IS NULL;
{% endmacro %}

{#- The first transaction that sees a key decides, by precedence among those that have it now; so does the one that
    parts a key from the system that spoke for it. -#}
{% macro first_decisions(e) %}
CREATE TEMP TABLE first_decision AS
SELECT
  customer_key,
  CASE rank{% for ranked in e.ranks %} WHEN {{ loop.index }} THEN {{ ranked | word }}{% endfor %} END AS system,
  decided_by
FROM (
  SELECT
    i.customer_key,
    MIN(CASE c.system{% for ranked in e.ranks %} WHEN {{ ranked | word }} THEN {{ loop.index }}{% endfor %} END) AS rank,
    IF(ANY_VALUE(m.system) IS NULL, 'precedence', 'unlink') AS decided_by
  FROM affected_customer AS a
  JOIN {{ e.tables.identity | table }} AS i ON i.customer_key = a.customer_key
  LEFT JOIN {{ e.tables.conformed | table }} AS c
    ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
  LEFT JOIN {{ e.tables.authority | table }} AS m ON m.customer_key = i.customer_key AND m.until IS NULL
  GROUP BY i.customer_key
  HAVING COUNT(c.system) > 0 AND (COUNT(m.system) = 0 OR COUNTIF(i.system = m.system) = 0)
);
{{ decide(e.tables, 'first_decision', 'd.decided_by', 'NULL') }}
{% endmacro %}

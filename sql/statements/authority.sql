{#- Which system speaks for a customer: what is decided is written with its history, and only where it changes.
    replaces: the decisions that may end another one, as a condition; without it any may. -#}
{% macro decide(tables, decision, decided_by, move_id, replaces=none) %}
{% if replaces %}
IF EXISTS (SELECT 1 FROM {{ decision }} WHERE {{ replaces }}) THEN
{% endif %}
UPDATE {{ tables.authority | table }} AS m
SET until = v_changed_at
WHERE m.until IS NULL
  AND EXISTS (SELECT 1 FROM {{ decision }} AS d WHERE d.customer_key = m.customer_key AND d.system <> m.system);
{{ 'END IF;' if replaces }}
INSERT INTO {{ tables.authority | table }} (customer_key, system, since, decided_by, move_id)
SELECT d.customer_key, d.system, v_changed_at, {{ decided_by }}, {{ move_id }}
FROM {{ decision }} AS d
LEFT JOIN {{ tables.authority | table }} AS m ON m.customer_key = d.customer_key AND m.until IS NULL
WHERE m.customer_key IS NULL;
{% endmacro %}

{#- The first transaction that sees a key decides, by precedence among those that have it now; so does the one that
    parts a key from the system that spoke for it. (`record_customer` is there.) What belongs to a customer whom two
    systems have, or had, hears of it. -#}
{% macro first_decisions(e, below) %}
CREATE TEMP TABLE undecided AS
SELECT i.customer_key, IF(ANY_VALUE(m.system) IS NULL, 'precedence', 'unlink') AS decided_by
FROM record_customer AS i
LEFT JOIN {{ e.tables.authority | table }} AS m ON m.customer_key = i.customer_key AND m.until IS NULL
GROUP BY i.customer_key
HAVING COUNT(m.system) = 0 OR COUNTIF(i.system = m.system) = 0;
IF EXISTS (SELECT 1 FROM undecided) THEN
CREATE TEMP TABLE first_decision AS
SELECT
  customer_key,
  CASE rank{% for ranked in e.ranks %} WHEN {{ loop.index }} THEN {{ ranked | word }}{% endfor %} END AS system,
  decided_by
FROM (
  SELECT
    u.customer_key,
    u.decided_by,
    MIN(CASE c.system{% for ranked in e.ranks %} WHEN {{ ranked | word }} THEN {{ loop.index }}{% endfor %} END) AS rank
  FROM undecided AS u
  JOIN record_customer AS i ON i.customer_key = u.customer_key
  JOIN {{ e.tables.conformed | table }} AS c
    ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key AND c.is_present
    AND c.system IN ({{ e.ranks | map('word') | join(', ') }})
  GROUP BY u.customer_key, u.decided_by
);
{{ decide(e.tables, 'first_decision', 'd.decided_by', 'NULL', replaces="decided_by = 'unlink'") }}
{% if below %}
INSERT INTO stirred_customer (system, id_space, source_key, is_rekeyed)
SELECT system, id_space, source_key, FALSE
FROM (
  SELECT
    i.system,
    i.id_space,
    i.source_key,
    d.decided_by = 'unlink'
      OR MIN(i.system) OVER (PARTITION BY i.customer_key) <> MAX(i.system) OVER (PARTITION BY i.customer_key) AS is_stirred
  FROM first_decision AS d
  JOIN record_customer AS i ON i.customer_key = d.customer_key
)
WHERE is_stirred;
{% endif %}
END IF;
{% endmacro %}

{% import 'keys.sql' as keys %}
-- Every record that could speak for an affected key, its references as keys. A parent may be late: its key is known.
CREATE TEMP TABLE candidate AS
SELECT
  i.{{ entity_key | column }},
  c.system,
  c.source_key,
{% for name in columns %}
{% if name in parents %}
  CASE
    WHEN c.{{ name | column }} IS NULL THEN NULL
    ELSE COALESCE(
      p{{ loop.index }}.{{ parents[name].key | column }},
      {{ keys.minted(parents[name].entity, 'c.system', parents[name].id_space, 'c.' ~ (name | column)) }}
    )
  END AS {{ parents[name].key | column }},
{% else %}
  c.{{ name | column }},
{% endif %}
{% endfor %}
  CASE c.system{% for ranked in ranks %} WHEN {{ ranked | word }} THEN {{ loop.index }}{% endfor %} END AS rank
FROM affected AS a
JOIN {{ tables.identity | table }} AS i ON i.{{ entity_key | column }} = a.{{ entity_key | column }}
JOIN {{ tables.conformed | table }} AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
{% for name in columns if name in parents %}
LEFT JOIN {{ parents[name].identity | table }} AS p{{ columns.index(name) + 1 }}
  ON p{{ columns.index(name) + 1 }}.system = c.system
  AND p{{ columns.index(name) + 1 }}.id_space = {{ parents[name].id_space }}
  AND p{{ columns.index(name) + 1 }}.source_key = c.{{ name | column }}
{% endfor %}
WHERE c.is_present;

{% if entity == 'customer' %}
-- Authority: the first transaction that sees a key decides, by precedence among those that have it now.
INSERT INTO {{ tables.authority | table }} (customer_key, system, since, decided_by)
SELECT c.customer_key, c.system, v_changed_at, 'precedence'
FROM candidate AS c
LEFT JOIN {{ tables.authority | table }} AS m ON m.customer_key = c.customer_key
WHERE m.customer_key IS NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY c.customer_key ORDER BY c.rank, c.source_key) = 1;
{% endif %}

-- The customer's system speaks if it has this entity, else precedence; of two records, the lowest source key.
CREATE TEMP TABLE winner AS
SELECT
  c.*,
  COUNT(*) OVER (PARTITION BY c.{{ entity_key | column }}, c.rank) AS rivals
FROM candidate AS c
LEFT JOIN {{ tables.authority | table }} AS m ON m.customer_key = c.customer_key AND m.until IS NULL
WHERE m.system IS NULL
  OR m.system = c.system
  OR m.system NOT IN ({% for having in systems %}{{ having | word }}{{ ', ' if not loop.last }}{% endfor %})
QUALIFY ROW_NUMBER() OVER (PARTITION BY c.{{ entity_key | column }} ORDER BY c.rank, c.source_key) = 1;

-- The difference between winner and present, numbered without a gap.
CREATE TEMP TABLE change AS
SELECT
  v_last_number + ROW_NUMBER() OVER (ORDER BY d.{{ entity_key | column }}) AS change_number,
  d.*
FROM (
  SELECT
    CASE
      WHEN p.{{ entity_key | column }} IS NULL THEN 'insert'
      WHEN w.{{ entity_key | column }} IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
    (p.{{ entity_key | column }} IS NULL) <> (w.{{ entity_key | column }} IS NULL)
{% for name in published %}
      OR w.{{ name | column }} IS DISTINCT FROM p.{{ name | column }}
{% endfor %}
      AS is_event,
    (p.{{ entity_key | column }} IS NULL) <> (w.{{ entity_key | column }} IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
{% for name in model_columns %}
      OR w.{{ name | column }} IS DISTINCT FROM p.{{ name | column }}
{% endfor %}
      AS is_change,
    a.{{ entity_key | column }},
    w.system AS source_system{% for name in model_columns %},
    w.{{ name | column }}{% endfor %}

  FROM affected AS a
  LEFT JOIN winner AS w ON w.{{ entity_key | column }} = a.{{ entity_key | column }}
  LEFT JOIN {{ tables.common_model | table }} AS p ON p.{{ entity_key | column }} = a.{{ entity_key | column }}
) AS d
WHERE d.is_change;

INSERT INTO {{ tables.change_log | table }}
  (change_number, changed_at, operation, is_event, {{ entity_key | column }}, source_system{% for name in model_columns %}, {{ name | column }}{% endfor %})
SELECT change_number, v_changed_at, operation, is_event, {{ entity_key | column }}, source_system{% for name in model_columns %}, {{ name | column }}{% endfor %}

FROM change;

MERGE {{ tables.common_model | table }} AS t
USING change AS s
ON t.{{ entity_key | column }} = s.{{ entity_key | column }}
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at{% for name in model_columns %}, {{ name | column }} = s.{{ name | column }}{% endfor %}

WHEN NOT MATCHED THEN INSERT
  ({{ entity_key | column }}, source_system, change_number, changed_at{% for name in model_columns %}, {{ name | column }}{% endfor %})
VALUES
  (s.{{ entity_key | column }}, s.source_system, s.change_number, v_changed_at{% for name in model_columns %}, s.{{ name | column }}{% endfor %});

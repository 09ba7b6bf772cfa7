{#- From affected keys to changes: one winner for each key, compared with what is there. `affected_<entity>` holds the
    keys (e: the entity's facts). `change_<entity>` gets a row for each key that changes (`is_change`), and for each that
    is contested. -#}
{% import 'keys.sql' as keys %}

{#- Only the partitions that are touched: `v_months_<entity>` holds them. -#}
{% macro in_months(e, alias) -%}
{% if e.partition %} AND {{ e.month(alias) }} IN UNNEST(v_months_{{ e.name }}){% endif %}
{%- endmacro %}

{#- Other records of an affected key may lie in other months. -#}
{% macro months_of_affected(e) -%}
{% if e.partition %}
SET v_months_{{ e.name }} = ARRAY_CONCAT(v_months_{{ e.name }}, (
  SELECT IFNULL(ARRAY_AGG(DISTINCT i.month IGNORE NULLS), [])
  FROM affected_{{ e.name }} AS a
  JOIN {{ e.tables.identity | table }} AS i ON i.{{ e.key | column }} = a.{{ e.key | column }}
));
{% endif %}
{%- endmacro %}

{#- Where a candidate's customer stands. -#}
{% macro customer_key(e) -%}
{{ (e.key if e.customer == 'own' else e.references[e.customer_column].becomes if e.customer == 'reference' else '_customer_key') | column }}
{%- endmacro %}
{#- Through a record of another entity: whose customer is it of whom that record says so? -#}
{% macro join_customer(e) -%}
{% if e.customer == 'through' %}
{% set via = e.through.references[e.through.customer_column] %}
LEFT JOIN {{ e.through.tables.conformed | table }} AS via
    ON via.system = c.system
    AND via.id_space = {{ e.references[e.customer_column].id_space('c') }}
    AND via.source_key = c.{{ e.customer_column | column }}
  LEFT JOIN {{ via.identity | table }} AS via_customer
    ON via_customer.system = via.system
    AND via_customer.id_space = {{ via.id_space("via") }}
    AND via_customer.source_key = via.{{ via.column | column }}
{% endif %}
{%- endmacro %}

{#- The same of a row `c` of conformed, whose identity is `i`: it holds ids where a candidate has keys. -#}
{% macro join_customer_of_record(e) -%}
{{ keys.join_parent(e.references[e.customer_column]) if e.customer == 'reference' else join_customer(e) }}
{%- endmacro %}
{% macro customer_of_record(e) -%}
{% if e.customer == 'reference' %}{{ keys.parent_key(e.references[e.customer_column]) }}{% elif e.customer == 'through' %}via_customer.customer_key{% else %}i.{{ e.key | column }}{% endif %}
{%- endmacro %}

{% macro records(e) %}
-- {{ e.name }}: every record that could speak for an affected key.
CREATE TEMP TABLE record_{{ e.name }} AS
SELECT i.{{ e.key | column }}, i.system, i.id_space, i.source_key
FROM affected_{{ e.name }} AS a
JOIN {{ e.tables.identity | table }} AS i ON i.{{ e.key | column }} = a.{{ e.key | column }};
{% endmacro %}

{#- What each of the records says. came: the condition that a record `i` is of the batch, whose rows are at hand in
    `conforming`: where no other record is asked, the conformed rows are not read again. -#}
{% macro says(e, came=none) %}
CREATE TEMP TABLE says_{{ e.name }} AS
{% if came %}
SELECT i.*{% for name in e.columns %}, c.{{ name | column }}{% endfor %}

FROM record_{{ e.name }} AS i
JOIN conforming AS c ON c._source_key = i.source_key
WHERE {{ came }} AND NOT c._is_gone AND c.is_present;
IF EXISTS (SELECT 1 FROM record_{{ e.name }} AS i WHERE {{ _others(came) }}) THEN
INSERT INTO says_{{ e.name }} ({{ e.key | column }}, system, id_space, source_key{% for name in e.columns %}, {{ name | column }}{% endfor %})
{% endif %}
SELECT i.*{% for name in e.columns %}, c.{{ name | column }}{% endfor %}

FROM record_{{ e.name }} AS i  -- few: joined first, whatever a planner believes of a key of three columns
JOIN {{ e.tables.conformed | table }} AS c
  ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key{{ in_months(e, 'c') }}
WHERE c.is_present AND c.system IN ({{ e.ranks | map('word') | join(', ') }}){{ ' AND ' ~ _others(came) if came }};
{{ 'END IF;' if came }}
{% endmacro %}
{% macro _others(came) -%}
NOT ({{ came }} AND i.source_key IN (SELECT _source_key FROM conforming))
{%- endmacro %}

{#- Of a ledger's row: (Rows that were written before `whole_at` was count from their first batch on.) -#}
{% macro has_all() -%}
COALESCE(whole_at, batch) <= batch
{%- endmacro %}

{#- The systems that have this entity: once all that one of their datasets holds was merged, which may be now (`now`:
    the system of this merge). Until then others speak in their place. -#}
{% macro systems_having(e, now=none) -%}
SELECT CASE name{% for name, system in e.mappings.items() %} WHEN {{ name | word }} THEN {{ system | word }}{% endfor %} END
    FROM {{ e.tables.ledger | table }}
    WHERE {{ has_all() }} AND name IN ({{ e.mappings | map('word') | join(', ') }})
{%- if now %}

    UNION ALL
    SELECT {{ now | word }} FROM UNNEST([v_is_whole]) AS is_whole WHERE is_whole
{%- endif %}
{%- endmacro %}

{#- With `record_<entity>` and `says_<entity>`. now: the system of what is merged. -#}
{% macro resolve(e, now=none) %}
-- The records' references as keys: a parent may be late, but its key is known. The customer's system speaks if it has
-- this entity, else precedence; of two records the lowest source key. What differs from the present row, column by
-- column, is a change.
CREATE TEMP TABLE change_{{ e.name }} AS
WITH candidate AS (
  SELECT
    c.{{ e.key | column }},
    c.system,
    c.id_space,
    c.source_key,
{% for name in e.columns %}
{% if name in e.references %}
    {{ keys.parent_key(e.references[name]) }} AS {{ e.references[name].becomes | column }},
{% else %}
    c.{{ name | column }},
{% endif %}
{% endfor %}
{% if e.customer == 'through' %}
    via_customer.customer_key AS _customer_key,
{% endif %}
    CASE c.system{% for ranked in e.ranks %} WHEN {{ ranked | word }} THEN {{ loop.index }}{% endfor %} END AS rank
  FROM says_{{ e.name }} AS c
{% for reference in e.references.values() %}
  {{ keys.join_parent(reference) }}
{% endfor %}
  {{ join_customer(e) }}
), winner AS (
  SELECT
    c.*,
    COALESCE(LEAD(c.rank) OVER ({{ _best_first(e) }}) = c.rank, FALSE) AS is_contested
  FROM candidate AS c
{% if e.customer %}
  LEFT JOIN {{ e.tables.authority | table }} AS m
    ON m.customer_key = c.{{ customer_key(e) }} AND m.until IS NULL
  WHERE m.system IS NULL
    OR m.system = c.system
    OR m.system NOT IN (
    {{ systems_having(e, now) }}
    )
{% else %}
  WHERE TRUE
{% endif %}
  QUALIFY ROW_NUMBER() OVER ({{ _best_first(e) }}) = 1
), compared AS (
  SELECT
    CASE
      WHEN p.{{ e.key | column }} IS NULL THEN 'insert'
      WHEN w.{{ e.key | column }} IS NULL THEN 'delete'
      ELSE 'update'
    END AS operation,
{% if e.published %}
    (p.{{ e.key | column }} IS NULL) <> (w.{{ e.key | column }} IS NULL)
{% for name in e.published %}
      OR w.{{ name | column }} IS DISTINCT FROM p.{{ name | column }}
{% endfor %}
      AS is_event,
{% else %}
    FALSE AS is_event,
{% endif %}
    (p.{{ e.key | column }} IS NULL) <> (w.{{ e.key | column }} IS NULL)
      OR w.system IS DISTINCT FROM p.source_system
{% for name in e.model_columns %}
      OR w.{{ name | column }} IS DISTINCT FROM p.{{ name | column }}
{% endfor %}
      AS is_change,
    COALESCE(w.is_contested, FALSE) AS is_contested,
    a.{{ e.key | column }},
    w.system AS source_system{% for name in e.model_columns %},
    w.{{ name | column }}{% endfor %}

  FROM affected_{{ e.name }} AS a
  LEFT JOIN winner AS w ON w.{{ e.key | column }} = a.{{ e.key | column }}
  LEFT JOIN {{ e.tables.common_model | table }} AS p
    ON p.{{ e.key | column }} = a.{{ e.key | column }}{{ in_months(e, 'p') }}
)
SELECT * FROM compared WHERE is_change OR is_contested;
{% endmacro %}
{% macro _best_first(e) -%}
PARTITION BY c.{{ e.key | column }} ORDER BY c.rank, c.source_key, c.id_space
{%- endmacro %}

{#- The changes, written: log, present rows, the last number. -#}
{% macro write(e) %}
-- Numbered without a gap. (Of keys alone: one place sorts them all, and whole rows would be too much for it.)
CREATE TEMP TABLE numbered_{{ e.name }} AS
SELECT
  {{ e.key | column }},
  (SELECT change_number FROM {{ e.tables.ledger | table }} WHERE name = 'entity')
    + ROW_NUMBER() OVER (ORDER BY {{ e.key | column }}) AS change_number
FROM change_{{ e.name }}
WHERE is_change;

INSERT INTO {{ e.tables.change_log | table }}
  (change_number, changed_at, operation, is_event, {{ e.key | column }}, source_system{% for name in e.model_columns %}, {{ name | column }}{% endfor %})
SELECT n.change_number, v_changed_at, c.operation, c.is_event, c.{{ e.key | column }}, c.source_system{% for name in e.model_columns %}, c.{{ name | column }}{% endfor %}

FROM numbered_{{ e.name }} AS n
JOIN change_{{ e.name }} AS c ON c.{{ e.key | column }} = n.{{ e.key | column }};

-- (An image that does not know a newer column leaves it as it is: hence no DELETE and INSERT.)
MERGE {{ e.tables.common_model | table }} AS t
USING (
  SELECT n.change_number, c.*
  FROM numbered_{{ e.name }} AS n
  JOIN change_{{ e.name }} AS c ON c.{{ e.key | column }} = n.{{ e.key | column }}
) AS s
ON t.{{ e.key | column }} = s.{{ e.key | column }}{{ in_months(e, 't') }}
WHEN MATCHED AND s.operation = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET
  source_system = s.source_system, change_number = s.change_number, changed_at = v_changed_at{% for name in e.model_columns %}, {{ name | column }} = s.{{ name | column }}{% endfor %}

WHEN NOT MATCHED AND s.operation <> 'delete' THEN INSERT
  ({{ e.key | column }}, source_system, change_number, changed_at{% for name in e.model_columns %}, {{ name | column }}{% endfor %})
VALUES
  (s.{{ e.key | column }}, s.source_system, s.change_number, v_changed_at{% for name in e.model_columns %}, s.{{ name | column }}{% endfor %});

UPDATE {{ e.tables.ledger | table }}
SET change_number = change_number + (SELECT COUNT(*) FROM numbered_{{ e.name }}), changed_at = v_changed_at
WHERE name = 'entity';
{% endmacro %}

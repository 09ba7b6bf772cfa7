{#- What a move changes, entity by entity: counted from `change_<entity>`, before it is written or instead. -#}
{% import 'dependents.sql' as dependents %}
{% import 'resolve.sql' as resolving %}

{#- Whose rows are looked at: those of the customers in `moving`, and of all that belongs to them. -#}
{% macro begin(customer) %}
CREATE TEMP TABLE effect (entity STRING, what STRING, name STRING, number INT64);
{{ dependents.make_stirred(customer) }}
INSERT INTO stirred_customer (system, id_space, source_key, is_rekeyed)
SELECT i.system, i.id_space, i.source_key, FALSE
FROM {{ customer.tables.identity | table }} AS i
JOIN moving AS g ON g.customer_key = i.customer_key;
CREATE TEMP TABLE affected_customer AS SELECT customer_key FROM moving;
{% endmacro %}

{% macro count(e) %}
INSERT INTO effect (entity, what, name, number)
SELECT {{ e.name | word }}, 'count', name, number
FROM (
  SELECT
    COUNTIF(operation = 'insert') AS inserted,
    COUNTIF(operation = 'update') AS updated,
    COUNTIF(operation = 'delete') AS vanished,
    COUNTIF(is_event) AS events
  FROM change_{{ e.name }}
  WHERE is_change
)
UNPIVOT (number FOR name IN (inserted, updated, vanished, events));
{% endmacro %}

{#- Of a roll-back: what came since the move it takes back, and what was there before it. -#}
{% macro count_since(e) %}
CREATE TEMP TABLE vanishing_{{ e.name }} AS
SELECT
  c.{{ e.key | column }} AS key,
  COALESCE(
    ARRAY_AGG(IF(l.changed_at < v_moved_at, l.operation, NULL) IGNORE NULLS ORDER BY l.change_number DESC LIMIT 1)[SAFE_OFFSET(0)]
      <> 'delete',
    FALSE
  ) AS was_there,
  COUNTIF(l.operation <> 'delete' AND l.changed_at <= v_moved_at) = 0 AS is_new
FROM change_{{ e.name }} AS c
JOIN {{ e.tables.change_log | table }} AS l ON l.{{ e.key | column }} = c.{{ e.key | column }}
WHERE c.is_change AND c.operation = 'delete'
GROUP BY c.{{ e.key | column }};
INSERT INTO effect (entity, what, name, number)
SELECT {{ e.name | word }}, 'count', 'opened', COUNTIF(is_new) FROM vanishing_{{ e.name }}
UNION ALL
SELECT {{ e.name | word }}, 'count', 'lost', COUNTIF(was_there) FROM vanishing_{{ e.name }};
{% endmacro %}

{% macro written(e) %}
{{ count(e) }}
{{ resolving.write(e) }}
{% endmacro %}

{% macro written_back(e) %}
{{ count(e) }}
{{ count_since(e) }}
{{ resolving.write(e) }}
{% endmacro %}

{#- For people: column by column, some of the keys, and the systems that do not have this entity yet, for which others
    go on speaking. -#}
{% macro told(e) %}
{{ count(e) }}
INSERT INTO effect (entity, what, name, number)
SELECT {{ e.name | word }}, 'column', name, number
FROM (
  SELECT
{% for name in e.model_columns %}
    COUNTIF(c.{{ name | column }} IS DISTINCT FROM p.{{ name | column }}) AS {{ name | column }}{{ ',' if not loop.last }}
{% endfor %}
  FROM change_{{ e.name }} AS c
  JOIN {{ e.tables.common_model | table }} AS p ON p.{{ e.key | column }} = c.{{ e.key | column }}
  WHERE c.is_change AND c.operation = 'update'
)
UNPIVOT (number FOR name IN ({% for name in e.model_columns %}{{ name | column }}{{ ', ' if not loop.last }}{% endfor %}));
INSERT INTO effect (entity, what, name, number)
SELECT {{ e.name | word }}, 'vanishing', {{ e.key | column }}, 1
FROM change_{{ e.name }}
WHERE is_change AND operation = 'delete'
ORDER BY {{ e.key | column }}
LIMIT {{ shown | number }};
INSERT INTO effect (entity, what, name, number)
SELECT {{ e.name | word }}, 'not_there', to_system, COUNT(*)
FROM moving
WHERE to_system NOT IN (
    {{ resolving.systems_having(e) }}
)
GROUP BY to_system;
{% endmacro %}

{% macro told_back(e) %}
{{ told(e) }}
{{ count_since(e) }}
INSERT INTO effect (entity, what, name, number)
SELECT {{ e.name | word }}, 'opened_keys', key, 1 FROM vanishing_{{ e.name }} WHERE is_new ORDER BY key LIMIT {{ shown | number }};
{% endmacro %}

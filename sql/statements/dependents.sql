{#- What follows in the same transaction when records of an entity get other keys, or their customers another system:
    the rows of the entities that refer to them. `stirred_<entity>` (system, id_space, source_key, is_rekeyed) holds the
    records; below: the facts of the dependents, each behind all that it refers to; parents_below: those of them that others refer
    to; from: the entity that is stirred. -#}
{% import 'keys.sql' as keys %}
{% import 'resolve.sql' as resolving %}

{% macro make_stirred(e) %}
CREATE TEMP TABLE stirred_{{ e.name }} (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
{% endmacro %}

{% macro follow(below, parents_below, from) %}
{% set stirring = namespace(names=[from]) %}
{% for e in below %}
{% set followed = e.references.values() | selectattr('entity', 'in', stirring.names) | list %}
{% set is_a_parent = e.name in parents_below %}
{% if followed %}
CREATE TEMP TABLE touched_{{ e.name }} AS
{% for reference in followed %}
SELECT c.system, c.id_space, c.source_key
FROM {{ e.tables.conformed | table }} AS c
JOIN stirred_{{ reference.entity }} AS s
  ON s.system = c.system AND s.id_space = {{ reference.id_space('c') }} AND s.source_key = c.{{ reference.column | column }}
{% if reference.column != e.customer_column %}
WHERE s.is_rekeyed
{% endif %}
{{ 'UNION DISTINCT' if not loop.last }}
{% endfor %};
{% if is_a_parent %}
{{ make_stirred(e) }}
{% endif %}
IF EXISTS (SELECT 1 FROM touched_{{ e.name }}) THEN
{{ key_anew(e) }}
{{ resolving.resolve(e) }}
{{ resolving.write(e) }}
{% if is_a_parent %}
  INSERT INTO stirred_{{ e.name }} (system, id_space, source_key, is_rekeyed)
  SELECT system, id_space, source_key, key_before <> key_after FROM keyed_{{ e.name }};
{% endif %}
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_{{ e.name }} WHERE is_change);
END IF;
{% set stirring.names = stirring.names + [e.name] %}
{% endif %}
{% endfor %}
{% endmacro %}

{#- The keys of touched records: where a parent's key is one of the facts that identify them, they change. -#}
{% macro key_anew(e) %}
{% if e.partition %}
  SET v_months_{{ e.name }} = (
    SELECT IFNULL(ARRAY_AGG(DISTINCT i.month IGNORE NULLS), [])
    FROM touched_{{ e.name }} AS t
    JOIN {{ e.tables.identity | table }} AS i
      ON i.system = t.system AND i.id_space = t.id_space AND i.source_key = t.source_key
  );
{% endif %}
  CREATE TEMP TABLE keyed_{{ e.name }} AS
  SELECT
    t.system,
    t.id_space,
    t.source_key,
    i.{{ e.key | column }} AS key_before,
{% if e.identified_by %}
    IF(c.source_key IS NULL, i.own_key, {{ keys.own_key(e) }}) AS key_after
{% else %}
    i.{{ e.key | column }} AS key_after
{% endif %}
  FROM touched_{{ e.name }} AS t
  JOIN {{ e.tables.identity | table }} AS i
    ON i.system = t.system AND i.id_space = t.id_space AND i.source_key = t.source_key
{% if e.identified_by %}
  LEFT JOIN {{ e.tables.conformed | table }} AS c
    ON c.system = t.system AND c.id_space = t.id_space AND c.source_key = t.source_key{{ resolving.in_months(e, 'c') }}
  {{ keys.join_facts(e) }}
{% endif %};
{% if e.identified_by %}
  MERGE {{ e.tables.identity | table }} AS t
  USING (SELECT * FROM keyed_{{ e.name }} WHERE key_before <> key_after) AS s
  ON t.system = s.system AND t.id_space = s.id_space AND t.source_key = s.source_key
  WHEN MATCHED THEN UPDATE SET own_key = s.key_after, {{ e.key | column }} = s.key_after;
{% endif %}
  CREATE TEMP TABLE affected_{{ e.name }} AS
  SELECT key_before AS {{ e.key | column }} FROM keyed_{{ e.name }}
  UNION DISTINCT
  SELECT key_after FROM keyed_{{ e.name }};
{{ resolving.months_of_affected(e) }}
{% endmacro %}

{#- What follows in the same transaction when records of an entity get other keys, or their customers another system:
    the rows of the entities that refer to them. `stirred_<entity>` (system, id_space, source_key, is_rekeyed) holds the
    records; below: the facts of the dependents, each behind all that it refers to; parents_below: those of them that
    others refer to; from: the entity that is stirred; fails_of: what must hold of the rows of each, if they are written;
    write: what is done with the changes of each, if not that they are written. -#}
{% import 'checks.sql' as checks %}
{% import 'keys.sql' as keys %}
{% import 'resolve.sql' as resolving %}

{% macro make_stirred(e) %}
CREATE TEMP TABLE stirred_{{ e.name }} (system STRING, id_space STRING, source_key STRING, is_rekeyed BOOL);
{% endmacro %}

{% macro follow(below, parents_below, from, fails_of=none, write=none) %}
{% set stirring = namespace(names=[from]) %}
{% for e in below %}
{% set followed = e.references.values() | selectattr('entity', 'in', stirring.names) | list %}
{% if followed %}
{% if e.name in parents_below %}
{{ make_stirred(e) }}
{% endif %}
{{ key_anew(e, followed) }}
IF EXISTS (SELECT 1 FROM keyed_{{ e.name }}) THEN
{{ affect(e) }}
{{ resolving.records(e) }}
{{ resolving.says(e) }}
{{ resolving.resolve(e) }}
{% if fails_of is not none %}
{{ checks.assert_all(e, fails_of[e.name]) }}
{% endif %}
{{ (write or resolving.write)(e) }}
{% if e.name in parents_below %}
  INSERT INTO stirred_{{ e.name }} (system, id_space, source_key, is_rekeyed)
  SELECT system, id_space, source_key, key_before <> key_after FROM keyed_{{ e.name }};
{% endif %}
  SET v_followed = v_followed + (SELECT COUNT(*) FROM change_{{ e.name }} WHERE is_change);
  SET v_vanished = v_vanished + (SELECT COUNT(*) FROM change_{{ e.name }} WHERE is_change AND operation = 'delete');
END IF;
{% set stirring.names = stirring.names + [e.name] %}
{% endif %}
{% endfor %}
{% endmacro %}

{#- The records that refer to a stirred one, with their keys: where a parent's key is one of the facts that identify
    them, they get another. Of a customer's other system only those hear that find their customer this way. -#}
{% macro key_anew(e, followed) %}
CREATE TEMP TABLE keyed_{{ e.name }} AS
{% for reference in followed %}
SELECT
  c.system,
  c.id_space,
  c.source_key,
  i.{{ e.key | column }} AS key_before,
  {{ keys.own_key(e) if e.identified_by else 'i.' ~ (e.key | column) }} AS key_after{% if e.partition %},
  i.month{% endif %}

FROM {{ e.tables.conformed | table }} AS c
JOIN stirred_{{ reference.entity }} AS s
  ON s.system = c.system AND s.id_space = {{ reference.id_space('c') }} AND s.source_key = c.{{ reference.column | column }}
JOIN {{ e.tables.identity | table }} AS i
  ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
{{ keys.join_facts(e) if e.identified_by }}
{% if reference.column != e.customer_column %}
WHERE s.is_rekeyed
{% endif %}
{{ 'UNION DISTINCT' if not loop.last }}
{% endfor %};
{% endmacro %}

{#- The keys that they had and have. -#}
{% macro affect(e) %}
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
{% if e.partition %}
  SET v_months_{{ e.name }} = (SELECT IFNULL(ARRAY_AGG(DISTINCT month IGNORE NULLS), []) FROM keyed_{{ e.name }});
{% endif %}
{{ resolving.months_of_affected(e) }}
{% endmacro %}

{% import 'keys.sql' as keys %}
{% import 'resolve.sql' as resolving %}
{#- Which key of ours has each record of the batch? A key once given stays, also when its record goes and comes back. -#}
{% if e.identified_by %}
-- Facts of the world make the key: two records that agree in them are one thing, whichever system holds them.
CREATE TEMP TABLE keyed_{{ entity }} AS
SELECT
  c.source_key,
  i.source_key IS NULL AS is_new,
  i.{{ entity_key | column }} AS key_before,
  IF(c._is_gone, i.own_key, {{ keys.own_key(e) }}) AS key_after{% if e.partition %},
  IF(c._is_gone, i.month, {{ e.month('c') }}) AS month{% endif %}

FROM (
  SELECT {{ system | word }} AS system, {{ id_space | word }} AS id_space, _source_key AS source_key, * FROM conforming
) AS c
LEFT JOIN {{ tables.identity | table }} AS i
  ON i.system = {{ system | word }} AND i.id_space = {{ id_space | word }} AND i.source_key = c.source_key
{{ keys.join_facts(e) }};

MERGE {{ tables.identity | table }} AS t
USING keyed_{{ entity }} AS s
ON t.system = {{ system | word }} AND t.id_space = {{ id_space | word }} AND t.source_key = s.source_key
WHEN MATCHED THEN UPDATE SET
  own_key = s.key_after, {{ entity_key | column }} = s.key_after{{ ', month = s.month' if e.partition }}
WHEN NOT MATCHED THEN INSERT
  (system, id_space, source_key, own_key, first_number, {{ entity_key | column }}, is_linked{{ ', month' if e.partition }})
VALUES
  ({{ system | word }}, {{ id_space | word }}, s.source_key, s.key_after, v_first_number, s.key_after, FALSE{{ ', s.month' if e.partition }});

CREATE TEMP TABLE affected_{{ entity }} AS
SELECT key_before AS {{ entity_key | column }} FROM keyed_{{ entity }} WHERE key_before IS NOT NULL
UNION DISTINCT
SELECT key_after FROM keyed_{{ entity }};
{{ resolving.months_of_affected(e) }}
{% if below %}
INSERT INTO stirred_{{ entity }} (system, id_space, source_key, is_rekeyed)
SELECT {{ system | word }}, {{ id_space | word }}, source_key, TRUE
FROM keyed_{{ entity }}
WHERE is_new OR key_before <> key_after;
{% endif %}
{% else %}
INSERT INTO {{ tables.identity | table }}
  (system, id_space, source_key, own_key, first_number, {{ entity_key | column }}, is_linked{{ ', month' if e.partition }})
SELECT
  {{ system | word }},
  {{ id_space | word }},
  c._source_key,
  {{ keys.minted(entity, system | word, id_space | word, 'c._source_key') }},
  v_first_number,
  {{ keys.minted(entity, system | word, id_space | word, 'c._source_key') }},
  FALSE{% if e.partition %},
  {{ e.month('c') }}{% endif %}

FROM conforming AS c
LEFT JOIN {{ tables.identity | table }} AS i
  ON i.system = {{ system | word }} AND i.id_space = {{ id_space | word }} AND i.source_key = c._source_key
WHERE i.source_key IS NULL;
{% if e.partition %}
MERGE {{ tables.identity | table }} AS t
USING (SELECT c._source_key, {{ e.month('c') }} AS month FROM conforming AS c WHERE NOT c._is_gone) AS s
ON t.system = {{ system | word }} AND t.id_space = {{ id_space | word }} AND t.source_key = s._source_key
WHEN MATCHED AND t.month <> s.month THEN UPDATE SET month = s.month;
{% endif %}
{% if e.linkable %}
{% include 'links.sql' %}
{% endif %}

CREATE TEMP TABLE affected_{{ entity }} AS
SELECT i.{{ entity_key | column }}
FROM conforming AS c
JOIN {{ tables.identity | table }} AS i
  ON i.system = {{ system | word }} AND i.id_space = {{ id_space | word }} AND i.source_key = c._source_key
{% if e.linkable %}
UNION DISTINCT
SELECT {{ entity_key | column }} FROM joined_anew
{% endif %};
{% if replaces_others %}
-- Once all of this system's rows are there, no other system's speak for its customers in their place.
CREATE TEMP TABLE replaced ({{ entity_key | column }} STRING);
IF v_is_whole AND NOT EXISTS (
  SELECT 1 FROM {{ tables.ledger | table }}
  WHERE {{ resolving.has_all() }} AND name IN ({% for name, having in e.mappings.items() if having == system %}{{ name | word }}{{ ', ' if not loop.last }}{% endfor %})
) THEN
  INSERT INTO replaced ({{ entity_key | column }})
  SELECT DISTINCT i.{{ entity_key | column }}
  FROM {{ tables.conformed | table }} AS c
  JOIN {{ tables.identity | table }} AS i
    ON i.system = c.system AND i.id_space = c.id_space AND i.source_key = c.source_key
  JOIN {{ tables.common_model | table }} AS p ON p.{{ entity_key | column }} = i.{{ entity_key | column }}
  {{ resolving.join_customer_of_record(e) }}
  JOIN {{ tables.authority | table }} AS m ON m.customer_key = {{ resolving.customer_of_record(e) }} AND m.until IS NULL
  WHERE c.system <> {{ system | word }} AND m.system = {{ system | word }};
  INSERT INTO affected_{{ entity }} ({{ entity_key | column }})
  SELECT {{ entity_key | column }} FROM replaced
  EXCEPT DISTINCT
  SELECT {{ entity_key | column }} FROM affected_{{ entity }};
END IF;
{% endif %}
{{ resolving.months_of_affected(e) }}
{% endif %}
{% if stirs_by %}
-- Who finds his customer through a record of the batch looks again.
INSERT INTO stirred_{{ entity }} (system, id_space, source_key, is_rekeyed)
SELECT {{ system | word }}, {{ id_space | word }}, _source_key, FALSE
FROM conforming
WHERE NOT _is_known OR _is_gone OR _is_held_by_another;
{% endif %}

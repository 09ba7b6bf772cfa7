{#- Records that are one: a link joins the keys of two, and the older key survives; an unlink parts them. The whole of it
    is looked at only where a link changed, or a record came that a link waited for. -#}
{% macro node(alias, prefix) -%}
CONCAT({{ alias }}.{{ prefix }}{{ 'system' }}, '/', {{ alias }}.{{ prefix }}id_space, '/', {{ alias }}.{{ prefix }}{{ 'key' if prefix else 'source_key' }})
{%- endmacro %}
CREATE TEMP TABLE joined_anew ({{ entity_key | column }} STRING);
{% if tells_link %}
-- What named nobody whom we knew may be read today. (Who is gone links to nobody anew.)
CREATE TEMP TABLE unread AS
SELECT i.source_key
FROM {{ tables.identity | table }} AS i
JOIN {{ tables.conformed | table }} AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
WHERE i.system = {{ system | word }} AND i.id_space = {{ id_space | word }}
  AND i.link_problem IN ('unknown system', 'unreadable') AND i.source_key NOT IN (SELECT _source_key FROM conforming);

-- What records say now, where it differs from what they said before. A record that is gone says nothing: no unlink.
CREATE TEMP TABLE said AS
SELECT
  s.*,
  i.link_system IS DISTINCT FROM s.link_system
    OR i.link_id_space IS DISTINCT FROM s.link_id_space
    OR i.link_key IS DISTINCT FROM s.link_key AS names_another,
  i.taken_over_at IS NULL AND s.taken_over_at IS NOT NULL AS is_taken_over
FROM (
  SELECT
    source_key,
    same_as,
    taken_over_at,
    IF(link_key IS NULL, NULL, named_system) AS link_system,
    CASE IF(link_key IS NULL, NULL, named_system){% for other in e.linkable if other.system != system %} WHEN {{ other.system | word }} THEN {{ other.id_space | word }}{% endfor %} END AS link_id_space,
    link_key,
    CASE
      WHEN same_as IS NULL OR link_key IS NOT NULL THEN NULL
      WHEN named_system = {{ system | word }} THEN 'own system'
      WHEN named_system IN ({% for other in e.linkable %}{{ other.system | word }}{{ ', ' if not loop.last }}{% endfor %}) OR STRPOS(same_as, ':') = 0 THEN 'unreadable'
      ELSE 'unknown system'
    END AS link_problem
  FROM (
    SELECT
      *,
      CASE named_system
{% for other in e.linkable if other.system != system %}
        WHEN {{ other.system | word }} THEN NULLIF({{ keys.canonical('CAST(SAFE_CAST(named_id AS INT64) AS STRING)' if other.key.type == 'INT64' else 'named_id', 'STRING', 'exact' if other.key.type == 'INT64' else other.key.collation) }}, '')
{% endfor %}
      END AS link_key
    FROM (
      SELECT
        _source_key AS source_key,
        same_as,
        taken_over_at,
        TRIM(SPLIT(same_as, ':')[SAFE_OFFSET(0)]) AS named_system,
        IF(STRPOS(same_as, ':') = 0, NULL, TRIM(SUBSTR(same_as, STRPOS(same_as, ':') + 1))) AS named_id
      FROM (
        SELECT _source_key, same_as, taken_over_at FROM conforming WHERE _has_row AND NOT _is_gone
        UNION ALL
        SELECT i.source_key, i.same_as, i.taken_over_at
        FROM {{ tables.identity | table }} AS i
        JOIN unread AS u ON u.source_key = i.source_key
        WHERE i.system = {{ system | word }} AND i.id_space = {{ id_space | word }}
      )
    )
  )
) AS s
JOIN {{ tables.identity | table }} AS i
  ON i.system = {{ system | word }} AND i.id_space = {{ id_space | word }} AND i.source_key = s.source_key
WHERE i.same_as IS DISTINCT FROM s.same_as
  OR i.taken_over_at IS DISTINCT FROM s.taken_over_at
  OR (i.link_problem IN ('unknown system', 'unreadable') AND i.link_problem IS DISTINCT FROM s.link_problem);
{% endif %}

IF {{ 'EXISTS (SELECT 1 FROM said) OR ' if tells_link }}EXISTS (
  SELECT 1
  FROM conforming AS c
  JOIN {{ tables.identity | table }} AS i
    ON i.link_system = {{ system | word }} AND i.link_id_space = {{ id_space | word }} AND i.link_key = c._source_key
  WHERE NOT c._is_known
) THEN
{% if tells_link %}
  MERGE {{ tables.identity | table }} AS t
  USING said AS s
  ON t.system = {{ system | word }} AND t.id_space = {{ id_space | word }} AND t.source_key = s.source_key
  WHEN MATCHED THEN UPDATE SET
    same_as = s.same_as, taken_over_at = s.taken_over_at, link_system = s.link_system, link_id_space = s.link_id_space,
    link_key = s.link_key, link_problem = s.link_problem, is_linked = t.is_linked AND NOT s.names_another;
{% endif %}

  -- From each record that links to a known one, step by step to the end; round a cycle it comes back to itself.
  CREATE TEMP TABLE walk AS
  WITH RECURSIVE link AS (
    SELECT {{ node('i', '') }} AS node, {{ node('i', 'link_') }} AS target
    FROM {{ tables.identity | table }} AS i
    JOIN {{ tables.identity | table }} AS t
      ON t.system = i.link_system AND t.id_space = i.link_id_space AND t.source_key = i.link_key
  ), step AS (
    SELECT node AS start, target AS here, 1 AS depth FROM link
    UNION ALL
    SELECT s.start, l.target, s.depth + 1
    FROM step AS s
    JOIN link AS l ON l.node = s.here
    WHERE s.here <> s.start AND s.depth <= {{ longest | number }}
  )
  SELECT start, here, depth FROM step;

  -- A record whose link holds, and where its chain ends: links on a cycle do not hold, nor those too far from the end.
  CREATE TEMP TABLE chained AS
  WITH cycle AS (
    SELECT DISTINCT start FROM walk WHERE here = start
  )
  SELECT w.start AS node, w.here AS root
  FROM walk AS w
  LEFT JOIN cycle AS own ON own.start = w.start
  LEFT JOIN cycle AS c ON c.start = w.here
  WHERE own.start IS NULL
  QUALIFY w.depth <= {{ longest | number }}
    AND ROW_NUMBER() OVER (PARTITION BY w.start ORDER BY c.start IS NULL, IF(c.start IS NULL, -w.depth, w.depth)) = 1;

  CREATE TEMP TABLE component AS
  SELECT
    *,
    FIRST_VALUE(own_key) OVER (PARTITION BY COALESCE(root, node) ORDER BY first_number, own_key) AS key_after
  FROM (
    SELECT i.*, {{ node('i', '') }} AS node, c.root, i.{{ entity_key | column }} AS key_before
    FROM {{ tables.identity | table }} AS i
    LEFT JOIN chained AS c ON c.node = {{ node('i', '') }}
    WHERE i.is_linked
      OR i.link_key IS NOT NULL
      OR i.own_key <> i.{{ entity_key | column }}
      OR {{ node('i', '') }} IN (SELECT root FROM chained)
  );

  -- Links that hold since now; a customer may be spoken for by another system from now on.
  CREATE TEMP TABLE link_news AS
  SELECT
    c.key_before,
    c.key_after,
    c.system,
    c.taken_over_at,
    c.first_number,
    c.own_key,
    t.{{ entity_key | column }} AS target_key_before,
    t.system AS target_system,
    t.id_space AS target_id_space,
    t.source_key AS target_key
  FROM component AS c
  JOIN {{ tables.identity | table }} AS t
    ON t.system = c.link_system AND t.id_space = c.link_id_space AND t.source_key = c.link_key
{% if tells_link %}
  LEFT JOIN (SELECT source_key FROM said WHERE is_taken_over) AS s
    ON c.system = {{ system | word }} AND c.id_space = {{ id_space | word }} AND s.source_key = c.source_key
{% endif %}
  WHERE c.root IS NOT NULL AND (NOT c.is_linked{{ ' OR s.source_key IS NOT NULL' if tells_link }});
{% if e.customer == 'own' %}
{% include 'authority_by_link.sql' %}
{% endif %}

  INSERT INTO joined_anew ({{ entity_key | column }})
  SELECT key_before FROM component WHERE key_before <> key_after OR is_linked <> (root IS NOT NULL)
  UNION DISTINCT
  SELECT key_after FROM component WHERE key_before <> key_after OR is_linked <> (root IS NOT NULL)
  UNION DISTINCT
  SELECT key_after FROM link_news;

  MERGE {{ tables.identity | table }} AS t
  USING (
    SELECT
      *,
      CASE
        WHEN link_problem IN ('unreadable', 'own system', 'unknown system') THEN link_problem
        WHEN root IS NOT NULL THEN NULL
        WHEN node IN (SELECT start FROM walk WHERE here = start) THEN 'cycle'
        WHEN node IN (SELECT start FROM walk WHERE depth > {{ longest | number }}) THEN 'too long'
      END AS problem_after
    FROM component
  ) AS s
  ON t.system = s.system AND t.id_space = s.id_space AND t.source_key = s.source_key
  WHEN MATCHED AND (
    s.key_before <> s.key_after OR s.is_linked <> (s.root IS NOT NULL) OR s.link_problem IS DISTINCT FROM s.problem_after
  ) THEN UPDATE SET {{ entity_key | column }} = s.key_after, is_linked = s.root IS NOT NULL, link_problem = s.problem_after;
{% if below %}

  INSERT INTO stirred_{{ entity }} (system, id_space, source_key, is_rekeyed)
  SELECT i.system, i.id_space, i.source_key, COALESCE(c.key_before <> c.key_after, FALSE)
  FROM {{ tables.identity | table }} AS i
  JOIN joined_anew AS j ON j.{{ entity_key | column }} = i.{{ entity_key | column }}
  LEFT JOIN component AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key;
{% endif %}
END IF;

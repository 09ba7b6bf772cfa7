{#- How ids become keys. The same forms are used for a row's own key and for every reference to it. -#}

{#- One key column as text: numbers as they are; text without the trailing blanks that SQL Server ignores, and in
    upper case where its collation does not tell cases apart. -#}
{% macro canonical(expression, type, collation) -%}
{% if type != 'STRING' %}CAST({{ expression }} AS STRING){% elif collation == 'case_insensitive' %}UPPER(RTRIM({{ expression }}, ' ')){% elif collation == 'case_sensitive' %}RTRIM({{ expression }}, ' '){% else %}{{ expression }}{% endif %}
{%- endmacro %}

{#- The source key: one column's text, or several joined by | (escaped), NULL when any of them is NULL. -#}
{% macro source_key(key) -%}
{% if key | length == 1 %}{{ canonical(key[0].name | column, key[0].type, key[0].collation) }}
{%- else %}CONCAT({% for part in key %}REPLACE(REPLACE({{ canonical(part.name | column, part.type, part.collation) }}, '\\', '\\\\'), '|', '\\|'){{ ", '|', " if not loop.last }}{% endfor %}){% endif %}
{%- endmacro %}

{#- Our key of a record, for ever the same: a salted hash of the first system, id space and key that named it. -#}
{% macro minted(entity, system, id_space, key) -%}
SUBSTR(TO_HEX(SHA256(CONCAT(v_salt, '\x1f', {{ entity | word }}, '\x1f', {{ system }}, '\x1f', {{ id_space }}, '\x1f', {{ key }}))), 1, 32)
{%- endmacro %}

{#- One of the facts that identify a thing, as text that is the same in every system. -#}
{% macro fact(expression, type) -%}
{% if type == 'TIMESTAMP' %}FORMAT_TIMESTAMP('%F %H:%M:%E6S', {{ expression }}, 'UTC'){% elif type == 'STRING' %}REPLACE(REPLACE({{ expression }}, '\\', '\\\\'), '|', '\\|'){% else %}CAST({{ expression }} AS STRING){% endif %}
{%- endmacro %}

{#- What a reference of row `c` becomes: the key of the record that it names, which is joined as `p_<column>`. Of a
    record that was not seen yet the key is known, too. -#}
{% macro parent_key(reference) -%}
CASE
    WHEN c.{{ reference.column | column }} IS NULL THEN NULL
    ELSE COALESCE(
      {{ ('p_' ~ reference.column) | column }}.{{ reference.becomes | column }},
      {{ minted(reference.entity, 'c.system', reference.id_space('c'), 'c.' ~ (reference.column | column)) }}
    )
  END
{%- endmacro %}
{% macro join_parent(reference) -%}
LEFT JOIN {{ reference.identity | table }} AS {{ ('p_' ~ reference.column) | column }}
  ON {{ ('p_' ~ reference.column) | column }}.system = c.system
  AND {{ ('p_' ~ reference.column) | column }}.id_space = {{ reference.id_space('c') }}
  AND {{ ('p_' ~ reference.column) | column }}.source_key = c.{{ reference.column | column }}
{%- endmacro %}

{#- The key of row `c` by itself: minted from the facts that identify it, or else from its record. -#}
{% macro own_key(e) -%}
{% if e.identified_by -%}
COALESCE({{ minted(e.name, "'facts'", "''", facts_text(e)) }}, {{ minted(e.name, 'c.system', 'c.id_space', 'c.source_key') }})
{%- else -%}
{{ minted(e.name, 'c.system', 'c.id_space', 'c.source_key') }}
{%- endif %}
{%- endmacro %}
{% macro facts_text(e) -%}
CONCAT({% for name in e.identified_by %}{{ fact(parent_key(e.references[name]), 'KEY') if name in e.references else fact('c.' ~ (name | column), e.types[name]) }}{{ ", '|', " if not loop.last }}{% endfor %})
{%- endmacro %}
{% macro join_facts(e) -%}
{% for name in e.identified_by if name in e.references %}
{{ join_parent(e.references[name]) }}
{% endfor %}
{%- endmacro %}

{#- The rows of a landing table that lie in the windows, from a bound of theirs (`from`, `begins`) on. -#}
{% macro in_windows(windows, partition, offset, from) %}
FALSE{% for window in windows %}

      OR ({{ partition | path }} = @{{ window.name }}_partition
        AND {{ offset | path }} >= @{{ window.name }}_{{ from }} AND {{ offset | path }} < @{{ window.name }}_to){% endfor %}
{% endmacro %}

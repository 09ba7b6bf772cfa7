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

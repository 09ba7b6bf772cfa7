{#- Which of the 64 slots has a key? Keys are hexadecimal digits of a hash: the low six bits of the first two. -#}
{% macro slot(key) -%}
MOD(CAST(CONCAT('0x', SUBSTR({{ key | column }}, 1, 2)) AS INT64), 64)
{%- endmacro %}

{#- Is a change one of a publisher's own, and not published yet? @published: up to which change each of the 64 slots is;
    the slots of others up to the last. -#}
{% macro waits(key) -%}
change_number > @published[OFFSET({{ slot(key) }})]
{%- endmacro %}

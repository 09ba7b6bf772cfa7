{% import 'dependents.sql' as dependents %}
{% import 'move_count.sql' as counting with context %}
{% import 'resolve.sql' as resolving %}
-- What {{ 'the roll-back of a move' if back else 'a move' }} would change: by the statements that would change it, but on temporary tables, in no
-- transaction, and with the decision as it would be.
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_vanished INT64 DEFAULT 0;
{% if back %}
DECLARE v_moved_at TIMESTAMP;
SET v_moved_at = (SELECT decided_at FROM {{ customer.move | table }} WHERE move_id = @rolls_back);
{% endif %}
SET v_salt = (SELECT salt FROM {{ customer.salt | table }});

CREATE TEMP TABLE moving AS
{% if back %}
SELECT customer_key, from_system AS to_system FROM {{ customer.moved_customer | table }} WHERE move_id = @rolls_back;
{% else %}
SELECT customer_key, CAST(@to_system AS STRING) AS to_system FROM UNNEST(SPLIT(@ids, '\n')) AS customer_key;
{% endif %}

CREATE TEMP TABLE {{ then.tables.authority | table }} AS
SELECT m.customer_key, COALESCE(g.to_system, m.system) AS system, m.until
FROM {{ customer.authority | table }} AS m
LEFT JOIN moving AS g ON g.customer_key = m.customer_key
WHERE m.until IS NULL;

{{ counting.begin(then) }}

{{ resolving.records(then) }}
{{ resolving.says(then) }}
{{ resolving.resolve(then) }}
{% set look = counting.told_back if back else counting.told %}
{{ look(then) }}
{{ dependents.follow(below, parents_below, 'customer', write=look) }}

SELECT entity, what, name, number FROM effect ORDER BY entity, what, name;

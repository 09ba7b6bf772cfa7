{#- How each of our transactions begins: with the locks of all that it reads or writes, and with one time for all that it
    changes, which never goes back. -#}
{% macro lock(ledgers) %}
-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
{% for ledger in ledgers %}
UPDATE {{ ledger | table }} SET locked_by = @attempt WHERE TRUE;
{% endfor %}
{% endmacro %}

{% macro clock_and_salt(ledgers, salt) %}
SET v_changed_at = (
  SELECT GREATEST(CURRENT_TIMESTAMP(), MAX(changed_at))
  FROM (
{% for ledger in ledgers %}
    SELECT changed_at FROM {{ ledger | table }} WHERE name = 'entity'
    {{ 'UNION ALL' if not loop.last }}
{% endfor %}
  )
);
SET v_salt = (SELECT salt FROM {{ salt | table }});
{% endmacro %}

{% macro has_not_moved(ledger) %}
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM {{ ledger | table }} WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';
{% endmacro %}

-- How each customer stands towards the move. (Not ready: nothing in the other system yet, two records there, of which one
-- would be left out, or other open balances.)
CREATE TEMP TABLE standing AS
SELECT
  k.customer_key,
  m.system AS from_system,
  m.since,
  CASE
    WHEN m.system = @to_system THEN 'already there'
    WHEN m.system IS NULL THEN 'nobody speaks'
    WHEN t.customer_key IS NULL THEN 'no present record'
    WHEN t.records > 1 THEN 'two records there'
{% if balance %}
    WHEN NOT @ignore_balances AND f.balance IS DISTINCT FROM n.balance THEN 'balance differs'
{% endif %}
    ELSE 'ready'
  END AS standing
FROM (SELECT DISTINCT customer_key FROM asked WHERE customer_key IS NOT NULL) AS k
LEFT JOIN {{ customer.authority | table }} AS m ON m.customer_key = k.customer_key AND m.until IS NULL
LEFT JOIN (
  SELECT i.customer_key, COUNT(*) AS records
  FROM {{ customer.identity | table }} AS i
  JOIN {{ customer.conformed | table }} AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
  WHERE i.system = @to_system AND c.is_present
  GROUP BY i.customer_key
) AS t ON t.customer_key = k.customer_key
{% if balance %}
{% for alias, system in [('f', 'm.system'), ('n', '@to_system')] %}
LEFT JOIN open_balance AS {{ alias }} ON {{ alias }}.customer_key = k.customer_key AND {{ alias }}.system = {{ system }}
{% endfor %}
{% endif %};

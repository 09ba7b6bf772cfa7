-- What each system says that these customers owe on their open accounts. An account of which it is not known is none.
CREATE TEMP TABLE open_balance AS
SELECT p.customer_key, c.system, SUM(c.{{ balance.amount | column }}) AS balance
FROM {{ balance.accounts.conformed | table }} AS c
JOIN {{ customer.identity | table }} AS p
  ON p.system = c.system AND p.id_space = {{ balance.id_space }} AND p.source_key = c.{{ balance.customer | column }}
WHERE c.is_present AND c.{{ balance.closed | column }} IS NULL
  AND p.customer_key IN (SELECT customer_key FROM asked)
GROUP BY p.customer_key, c.system
HAVING SUM(c.{{ balance.amount | column }}) <> 0;

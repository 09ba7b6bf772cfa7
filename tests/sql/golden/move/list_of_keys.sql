-- Who is asked for, and how each stands towards the move: nothing is written.
-- Whose ids these are: each once, as `identity` writes it.
CREATE TEMP TABLE asked AS
SELECT a.id, i.customer_key
FROM (SELECT DISTINCT id FROM UNNEST(SPLIT(@ids, '\n')) AS id) AS a
LEFT JOIN (
  SELECT DISTINCT customer_key AS id, customer_key FROM `project.identity.customer`
) AS i ON i.id = a.id;
-- What each system says that these customers owe on their open accounts. An account of which it is not known is none.
CREATE TEMP TABLE open_balance AS
SELECT p.customer_key, c.system, SUM(c.`balance_gbp`) AS balance
FROM `project.conformed.account` AS c
JOIN `project.identity.customer` AS p
  ON p.system = c.system AND p.id_space = (CASE CONCAT(c.system, '/', c.id_space) WHEN 'mis/gentrack_account' THEN 'gentrack_customer' WHEN 'platform/account' THEN 'customer' WHEN 'sse/account' THEN 'customer' END) AND p.source_key = c.`customer_id`
WHERE c.is_present AND c.`closed_on` IS NULL
  AND p.customer_key IN (SELECT customer_key FROM asked)
GROUP BY p.customer_key, c.system
HAVING SUM(c.`balance_gbp`) <> 0;
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
    WHEN NOT @ignore_balances AND f.balance IS DISTINCT FROM n.balance THEN 'balance differs'
    ELSE 'ready'
  END AS standing
FROM (SELECT DISTINCT customer_key FROM asked WHERE customer_key IS NOT NULL) AS k
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = k.customer_key AND m.until IS NULL
LEFT JOIN (
  SELECT i.customer_key, COUNT(*) AS records
  FROM `project.identity.customer` AS i
  JOIN `project.conformed.customer` AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
  WHERE i.system = @to_system AND c.is_present
  GROUP BY i.customer_key
) AS t ON t.customer_key = k.customer_key
LEFT JOIN open_balance AS f ON f.customer_key = k.customer_key AND f.system = m.system
LEFT JOIN open_balance AS n ON n.customer_key = k.customer_key AND n.system = @to_system
;
SELECT a.id, a.customer_key, s.from_system, s.standing
FROM asked AS a
LEFT JOIN standing AS s ON s.customer_key = a.customer_key;

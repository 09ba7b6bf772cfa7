-- The customers of the move, and how each stands towards its roll-back: only what nobody has decided anew since is taken
-- back (or what was, and was taken back itself), and only to a system that still has a record of them.
CREATE TEMP TABLE asked AS
SELECT customer_key, customer_key AS id FROM {{ customer.moved_customer | table }} WHERE move_id = @rolls_back;

CREATE TEMP TABLE standing AS
SELECT
  k.customer_key,
  m.system AS from_system,
  m.since,
  k.from_system AS to_system,
  CASE
    WHEN i.customer_key IS NULL THEN 'were joined with another customer since, by a link'
    WHEN m.move_id IS DISTINCT FROM @rolls_back AND b.restores IS DISTINCT FROM v_moved_at
      THEN CONCAT('were decided anew since, by ', m.decided_by, IF(m.move_id IS NULL, '', CONCAT(' ', m.move_id)))
    WHEN t.customer_key IS NULL THEN CONCAT('have no present record in ', k.from_system, ' any more')
    ELSE 'ready'
  END AS standing
FROM {{ customer.moved_customer | table }} AS k
LEFT JOIN {{ customer.authority | table }} AS m ON m.customer_key = k.customer_key AND m.until IS NULL
LEFT JOIN (SELECT DISTINCT customer_key FROM {{ customer.identity | table }}) AS i ON i.customer_key = k.customer_key
LEFT JOIN {{ customer.moved_customer | table }} AS b ON b.customer_key = m.customer_key AND b.move_id = m.move_id
LEFT JOIN (
  SELECT DISTINCT i.customer_key, i.system
  FROM {{ customer.identity | table }} AS i
  JOIN {{ customer.conformed | table }} AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
  WHERE c.is_present
) AS t ON t.customer_key = k.customer_key AND t.system = k.from_system
WHERE k.move_id = @rolls_back;

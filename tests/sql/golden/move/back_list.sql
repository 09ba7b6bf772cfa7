-- The customers of a move, and what is in the way of its roll-back: nothing is written.
DECLARE v_moved_at TIMESTAMP;
SET v_moved_at = (SELECT decided_at FROM `project.migration.move` WHERE move_id = @rolls_back);
-- The customers of the move, and how each stands towards its roll-back: only what nobody has decided anew since is taken
-- back (or what was, and was taken back itself), and only to a system that still has a record of them.
CREATE TEMP TABLE asked AS
SELECT customer_key, customer_key AS id FROM `project.migration.moved_customer` WHERE move_id = @rolls_back;
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
FROM `project.migration.moved_customer` AS k
LEFT JOIN `project.migration.authority` AS m ON m.customer_key = k.customer_key AND m.until IS NULL
LEFT JOIN (SELECT DISTINCT customer_key FROM `project.identity.customer`) AS i ON i.customer_key = k.customer_key
LEFT JOIN `project.migration.moved_customer` AS b ON b.customer_key = m.customer_key AND b.move_id = m.move_id
LEFT JOIN (
  SELECT DISTINCT i.customer_key, i.system
  FROM `project.identity.customer` AS i
  JOIN `project.conformed.customer` AS c ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
  WHERE c.is_present
) AS t ON t.customer_key = k.customer_key AND t.system = k.from_system
WHERE k.move_id = @rolls_back;
SELECT s.customer_key, s.to_system, s.standing FROM standing AS s;

-- The customers of a move, and what is in the way of its roll-back: nothing is written.
DECLARE v_moved_at TIMESTAMP;
SET v_moved_at = (SELECT decided_at FROM {{ customer.move | table }} WHERE move_id = @rolls_back);
{% include 'move_back_standing.sql' %}

SELECT s.customer_key, s.to_system, s.standing FROM standing AS s;

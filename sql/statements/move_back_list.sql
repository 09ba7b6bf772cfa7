-- The customers of a move, and what is in the way of its roll-back: nothing is written.
{% include 'move_back_standing.sql' %}

SELECT customer_key, to_system, standing FROM standing;

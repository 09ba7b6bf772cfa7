-- Whose keys the ids of the form are.
{% include 'move_asked.sql' %}

SELECT id, customer_key FROM asked

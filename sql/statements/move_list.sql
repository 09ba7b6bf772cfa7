-- Who is asked for, and how each stands towards the move: nothing is written.
{% include 'cohort_asked.sql' %}

{% if balance %}
{% include 'move_balance.sql' %}
{% endif %}

{% include 'move_standing.sql' %}

SELECT a.id, a.customer_key, s.from_system, s.standing
FROM asked AS a
LEFT JOIN standing AS s ON s.customer_key = a.customer_key;

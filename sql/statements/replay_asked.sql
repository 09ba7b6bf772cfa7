-- Whose keys the ids of the form are.
{% include 'cohort_asked.sql' %}

SELECT id, customer_key FROM asked

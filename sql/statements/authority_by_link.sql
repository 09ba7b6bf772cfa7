{#- A link decides who speaks for the customer: the system that has taken him over, if it says when; otherwise the side
    that the link names goes on. Of several, the one whose other side names nobody in its turn. -#}
  CREATE TEMP TABLE link_decision AS
  SELECT n.key_after AS customer_key, CASE WHEN n.taken_over_at IS NOT NULL THEN n.system ELSE COALESCE(m.system, t.system) END AS system
  FROM link_news AS n
  LEFT JOIN {{ tables.authority | table }} AS m ON m.customer_key = n.target_key_before AND m.until IS NULL
  LEFT JOIN {{ tables.conformed | table }} AS t
    ON t.system = n.target_system AND t.id_space = n.target_id_space AND t.source_key = n.target_key AND t.is_present
  LEFT JOIN (SELECT DISTINCT key_before FROM link_news) AS onward ON onward.key_before = n.target_key_before
  WHERE n.taken_over_at IS NOT NULL OR m.system IS NOT NULL OR t.system IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY n.key_after ORDER BY n.taken_over_at IS NULL, n.taken_over_at DESC, onward.key_before IS NOT NULL, n.first_number, n.own_key
  ) = 1;
{% import 'authority.sql' as authority %}
{{ authority.decide(tables, 'link_decision', "'link'", 'NULL') }}

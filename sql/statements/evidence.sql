-- Why a merge of {{ mapping.name }} is refused: the rows that cannot be merged, kept aside by a statement of its own.
{% import 'quarantine.sql' as quarantining %}
DECLARE v_changed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
DECLARE v_bad INT64 DEFAULT 0;
DECLARE v_newly_bad INT64 DEFAULT 0;
{% include 'incoming.sql' %}

{{ quarantining.find(required, landed, quarantine, kept) }}
DELETE FROM {{ quarantine | table }} WHERE mapping = @mapping AND batch >= {{ batches[0] | number }} AND NOT STARTS_WITH(rule, 'held: ');
DELETE FROM bad WHERE STARTS_WITH(_rule, 'held: ');
{{ quarantining.keep(quarantine, key, layers, landed, raw_columns, most) }}

-- {{ mapping.name }}: batches {{ batches | join(', ') }} of {{ mapping.name.source }}, one transaction.
{% import 'checks.sql' as checks %}
{% import 'dependents.sql' as dependents %}
{% import 'resolve.sql' as resolving %}
{% include 'merge_until_resolved.sql' %}
{{ checks.assert_all(e, fails_of[entity]) }}
{{ resolving.write(e) }}
{% if below %}
IF EXISTS (SELECT 1 FROM stirred_{{ entity }}) THEN
{{ dependents.follow(below, parents_below, entity, fails_of) }}
END IF;
{% endif %}

-- Progress, in the same transaction as the data that it describes.
DELETE FROM {{ tables.ledger | table }} WHERE name = @mapping;
INSERT INTO {{ tables.ledger | table }}
  (name, batch, whole_at, mapping_hash, merged_at, run_id, attempt, rows_taken, rows_conformed, inserted, updated, removed, events, contested, followed, vanished, unsettled, quarantined)
SELECT
  CAST(@mapping AS STRING),
  @batch,
  v_whole_at,
  CAST(@mapping_hash AS STRING),
  v_changed_at,
  CAST(@run_id AS STRING),
  CAST(@attempt AS STRING),
  (SELECT COUNT(*) FROM incoming) + v_bad,
  (SELECT COUNT(*) FROM conforming),
  (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_{{ entity }}),
  (SELECT COUNTIF(is_change AND operation = 'update') FROM change_{{ entity }}),
  (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_{{ entity }}),
  (SELECT COUNTIF(is_change AND is_event) FROM change_{{ entity }}),
  (SELECT COUNTIF(is_contested) FROM change_{{ entity }}),
  v_followed,
  v_vanished,
  {{ '(SELECT COUNT(link_problem) FROM ' ~ (tables.identity | table) ~ ')' if e.linkable else '0' }},
  v_newly_bad;

COMMIT TRANSACTION;

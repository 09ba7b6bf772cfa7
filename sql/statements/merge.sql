-- {{ mapping.name }}: batches {{ batches | join(', ') }} of {{ mapping.name.source }}, one transaction.
{% import 'checks.sql' as checks %}
{% import 'dependents.sql' as dependents %}
{% import 'resolve.sql' as resolving %}
{% include 'merge_until_resolved.sql' %}
{{ checks.assert_all(e, fails) }}
{{ resolving.write(e) }}
{% if below %}
IF EXISTS (SELECT 1 FROM stirred_{{ entity }}) THEN
{{ dependents.follow(below, parents_below, entity) }}
END IF;
{% endif %}

-- Progress, in the same transaction as the data that it describes.
MERGE {{ tables.ledger | table }} AS t
USING (
  SELECT
    (SELECT COUNT(*) FROM incoming) + v_bad AS rows_taken,
    (SELECT COUNT(*) FROM conforming) AS rows_conformed,
    (SELECT COUNTIF(is_change AND operation = 'insert') FROM change_{{ entity }}) AS inserted,
    (SELECT COUNTIF(is_change AND operation = 'update') FROM change_{{ entity }}) AS updated,
    (SELECT COUNTIF(is_change AND operation = 'delete') FROM change_{{ entity }}) AS removed,
    (SELECT COUNTIF(is_change AND is_event) FROM change_{{ entity }}) AS events,
    (SELECT COUNTIF(is_contested) FROM change_{{ entity }}) AS contested,
    v_followed AS followed,
    v_bad AS quarantined,
    {{ '(SELECT COUNT(link_problem) FROM ' ~ (tables.identity | table) ~ ')' if e.linkable else '0' }} AS unsettled
) AS s
ON t.name = @mapping
WHEN MATCHED THEN UPDATE SET
  batch = @batch, mapping_hash = @mapping_hash, merged_at = v_changed_at, run_id = @run_id, attempt = @attempt{% for count in counts %},
  {{ count }} = s.{{ count }}{% endfor %}

WHEN NOT MATCHED THEN INSERT
  (name, batch, mapping_hash, merged_at, run_id, attempt{% for count in counts %}, {{ count }}{% endfor %})
VALUES
  (@mapping, @batch, @mapping_hash, v_changed_at, @run_id, @attempt{% for count in counts %}, s.{{ count }}{% endfor %});

COMMIT TRANSACTION;

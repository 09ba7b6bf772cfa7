-- {{ mapping.name }}: batches {{ batches | join(', ') }} of {{ mapping.name.source }}, one transaction.
{% import 'authority.sql' as authority %}
{% import 'checks.sql' as checks %}
{% import 'dependents.sql' as dependents %}
{% import 'quarantine.sql' as quarantining %}
{% import 'resolve.sql' as resolving %}
{% import 'transaction.sql' as transaction %}
DECLARE v_first_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_bad INT64 DEFAULT 0;
{% for each in [e] + below if each.partition %}
DECLARE v_months_{{ each.name }} ARRAY<{{ each.month_type }}> DEFAULT [];
{% endfor %}

BEGIN TRANSACTION;

{{ transaction.lock(ledgers) }}

-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM {{ tables.ledger | table }} WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';

SET v_first_number = (SELECT change_number + 1 FROM {{ tables.ledger | table }} WHERE name = 'entity');
{{ transaction.clock_and_salt(ledgers, tables.salt) }}
ASSERT v_first_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';

{% include 'incoming.sql' %}

{{ quarantining.find(required, landed) }}
{{ quarantining.refuse_too_many(mapping.name.source, tables.identity if e.partition else tables.conformed, system, id_space) }}
{% include 'conform.sql' %}

{{ quarantining.release(quarantine, batches[0], absence) }}
IF v_bad > 0 THEN
  {{ quarantining.keep(quarantine, key, layers, landed, raw_columns) }}
END IF;

{% if below %}
{{ dependents.make_stirred(e) }}
{% endif %}
{% include 'identity.sql' %}

{% if e.customer == 'own' %}
{{ authority.first_decisions(e) }}
{% endif %}
{{ resolving.resolve(e) }}
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

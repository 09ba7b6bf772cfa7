{#- A merge, up to what it would change: one transaction begins, and is open. -#}
{% import 'authority.sql' as authority %}
{% import 'dependents.sql' as dependents %}
{% import 'quarantine.sql' as quarantining %}
{% import 'resolve.sql' as resolving %}
{% import 'transaction.sql' as transaction %}
DECLARE v_first_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_vanished INT64 DEFAULT 0;
DECLARE v_bad INT64 DEFAULT 0;
DECLARE v_newly_bad INT64 DEFAULT 0;
DECLARE v_whole_at INT64;
DECLARE v_is_whole BOOL;
{% for each in [e] + below if each.partition %}
DECLARE v_months_{{ each.name }} ARRAY<{{ each.month_type }}> DEFAULT [];
{% endfor %}

BEGIN TRANSACTION;

{{ transaction.lock(ledgers) }}

-- A retry after a lost reply finds that progress moved, and does nothing.
{{ transaction.has_not_moved(tables.ledger) }}

SET v_first_number = (SELECT change_number + 1 FROM {{ tables.ledger | table }} WHERE name = 'entity');
-- Who had all before still has it while everything is read anew.
SET v_whole_at = COALESCE(
  (SELECT MIN(COALESCE(whole_at, batch)) FROM {{ tables.ledger | table }} WHERE name = @mapping AND {{ resolving.has_all() }}),
  {{ (whole_at | number) if whole_at else '(SELECT MAX(whole_at) FROM ' ~ (tables.ledger | table) ~ ' WHERE name = @mapping)' }},
  {{ never | number }}
);
SET v_is_whole = v_whole_at <= {{ batches[-1] | number }};
{{ transaction.clock_and_salt(ledgers, tables.salt) }}
ASSERT v_first_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';

{% include 'incoming.sql' %}

{{ quarantining.find(required, landed, quarantine, kept) }}
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

{{ resolving.records(e) }}
{% if e.customer == 'own' %}
{{ authority.first_decisions(e, below) }}
{% endif %}
{{ resolving.says(e, 'i.system = ' ~ (system | word) ~ ' AND i.id_space = ' ~ (id_space | word)) }}
{{ resolving.resolve(e, system) }}
{% if replaces_others %}
-- (Whom {{ system }} has, and says that he does not count, is not missing there.)
IF EXISTS (SELECT 1 FROM replaced) THEN
ASSERT (
  SELECT IF(
    gone <= known * @replaced_share,
    TRUE,
    ERROR(CONCAT('Rule: ', CAST(gone AS STRING), ' of ', CAST(known AS STRING), ' rows that other systems have of customers of {{ system }} would go, because {{ mapping.name.source }} has none of them: link them, or raise deletes_at_most of {{ mapping.name.source }} for this merge'))
  )
  FROM (
    SELECT
      (
        SELECT COUNT(*)
        FROM change_{{ entity }} AS d
        JOIN replaced AS r ON r.{{ e.key | column }} = d.{{ e.key | column }}
        LEFT JOIN (
          SELECT DISTINCT i.{{ e.key | column }}
          FROM record_{{ entity }} AS i
          JOIN {{ tables.conformed | table }} AS c
            ON c.system = i.system AND c.id_space = i.id_space AND c.source_key = i.source_key
          WHERE i.system = {{ system | word }}
        ) AS own ON own.{{ e.key | column }} = d.{{ e.key | column }}
        WHERE d.is_change AND d.operation = 'delete' AND own.{{ e.key | column }} IS NULL
      ) AS gone,
      (SELECT COUNT(*) FROM replaced) AS known
  )
) AS 'Rule: too many rows of other systems would go';
END IF;
{% endif %}

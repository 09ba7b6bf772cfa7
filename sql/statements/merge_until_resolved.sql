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
{% for each in [e] + below if each.partition %}
DECLARE v_months_{{ each.name }} ARRAY<{{ each.month_type }}> DEFAULT [];
{% endfor %}

BEGIN TRANSACTION;

{{ transaction.lock(ledgers) }}

-- A retry after a lost reply finds that progress moved, and does nothing.
{{ transaction.has_not_moved(tables.ledger) }}

SET v_first_number = (SELECT change_number + 1 FROM {{ tables.ledger | table }} WHERE name = 'entity');
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

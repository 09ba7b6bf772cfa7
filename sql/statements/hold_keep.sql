-- Rows of {{ mapping.name }} that a person holds, kept aside while its merge still stands where it was looked at.
{% import 'quarantine.sql' as quarantining %}
{% import 'transaction.sql' as transaction %}
DECLARE v_changed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP();

BEGIN TRANSACTION;

{{ transaction.lock([tables.ledger]) }}
{{ transaction.has_not_moved(tables.ledger) }}

CREATE TEMP TABLE held AS
SELECT
  CAST(JSON_VALUE(row, '$.batch') AS INT64) AS _batch,
  CAST(JSON_VALUE(row, '$.layer') AS INT64) AS _layer,
  {{ "CAST(JSON_VALUE(row, '$.position') AS INT64) AS _position," if landed }}
  JSON_VALUE(row, '$.source_key') AS _source_key,
  JSON_VALUE(row, '$.said_hash') AS _said_hash,
  CONCAT('held: ', JSON_VALUE(row, '$.rule')) AS _rule
FROM UNNEST(SPLIT(@rows, '\n')) AS row;

DELETE FROM {{ quarantine | table }}
WHERE mapping = @mapping AND source_key IN (SELECT _source_key FROM held);
{{ quarantining.keep(quarantine, key, layers, landed, raw_columns, rows='held') }}

COMMIT TRANSACTION;

-- {{ mapping.name }}: batches {{ batches | join(', ') }} of {{ mapping.name.source }}, one transaction.
DECLARE v_last_number INT64;
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;

BEGIN TRANSACTION;

-- The lock: two transactions that update one table cannot both commit. Everything else is computed after it.
{% for ledger in ledgers %}
UPDATE {{ ledger | table }} SET locked_by = @attempt WHERE TRUE;
{% endfor %}

-- A retry after a lost reply finds that progress moved, and does nothing.
ASSERT (
  SELECT COALESCE(MAX(batch), 0) = @expected_batch AND COALESCE(MAX(mapping_hash), '') = @expected_hash
  FROM {{ tables.ledger | table }} WHERE name = @mapping
) AS 'Rule: the progress of this mapping has moved';

SET v_last_number = (SELECT change_number FROM {{ tables.ledger | table }} WHERE name = 'entity');
SET v_changed_at = (SELECT GREATEST(CURRENT_TIMESTAMP(), changed_at) FROM {{ tables.ledger | table }} WHERE name = 'entity');
SET v_salt = (SELECT salt FROM {{ tables.salt | table }});
ASSERT v_last_number IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: the ledger of the entity or the salt is empty, restore the table';

{% include 'incoming.sql' %}

{% include 'conform.sql' %}

{% include 'resolve.sql' %}

-- Progress, in the same transaction as the data that it describes.
UPDATE {{ tables.ledger | table }}
SET change_number = v_last_number + (SELECT COUNT(*) FROM change), changed_at = v_changed_at
WHERE name = 'entity';
MERGE {{ tables.ledger | table }} AS t
USING (
  SELECT
    (SELECT COUNT(*) FROM incoming) AS rows_taken,
    (SELECT COUNT(*) FROM conforming) AS rows_conformed,
    (SELECT COUNT(*) FROM change WHERE operation = 'insert') AS inserted,
    (SELECT COUNT(*) FROM change WHERE operation = 'update') AS updated,
    (SELECT COUNT(*) FROM change WHERE operation = 'delete') AS removed,
    (SELECT COUNT(*) FROM change WHERE is_event) AS events,
    (SELECT COUNT(*) FROM winner WHERE rivals > 1) AS contested
) AS s
ON t.name = @mapping
WHEN MATCHED THEN UPDATE SET
  batch = @batch, mapping_hash = @mapping_hash, merged_at = v_changed_at, run_id = @run_id, attempt = @attempt,
  rows_taken = s.rows_taken, rows_conformed = s.rows_conformed, inserted = s.inserted, updated = s.updated,
  removed = s.removed, events = s.events, contested = s.contested
WHEN NOT MATCHED THEN INSERT
  (name, batch, mapping_hash, merged_at, run_id, attempt, rows_taken, rows_conformed, inserted, updated, removed, events, contested)
VALUES
  (@mapping, @batch, @mapping_hash, v_changed_at, @run_id, @attempt, s.rows_taken, s.rows_conformed, s.inserted, s.updated, s.removed, s.events, s.contested);

COMMIT TRANSACTION;

{% import 'authority.sql' as authority %}
{% import 'checks.sql' as checks %}
{% import 'dependents.sql' as dependents %}
{% import 'move_count.sql' as counting with context %}
{% import 'resolve.sql' as resolving %}
{% import 'transaction.sql' as transaction %}
-- {{ 'The roll-back of a move' if back else 'A move' }}: another system speaks for these customers from now on, for all of them or for none.
DECLARE v_changed_at TIMESTAMP;
DECLARE v_salt STRING;
DECLARE v_followed INT64 DEFAULT 0;
DECLARE v_vanished INT64 DEFAULT 0;
{% if back %}
DECLARE v_moved_at TIMESTAMP;
{% endif %}

BEGIN TRANSACTION;

{{ transaction.lock(ledgers) }}

-- A retry after a lost reply finds that it is done, and does nothing.
ASSERT NOT EXISTS (SELECT 1 FROM {{ customer.move | table }} WHERE move_id = @move_id)
AS 'Rule: this move has been made already';
{% if back %}
ASSERT EXISTS (
  SELECT 1 FROM {{ customer.move | table }} WHERE move_id = @rolls_back AND kind = 'move' AND rolled_back_by IS NULL
) AS 'Rule: the move that is to be rolled back is not there any more, or was rolled back';
SET v_moved_at = (SELECT decided_at FROM {{ customer.move | table }} WHERE move_id = @rolls_back);
{% endif %}

{{ transaction.clock_and_salt(ledgers, customer.salt) }}
ASSERT v_changed_at IS NOT NULL AND v_salt IS NOT NULL AS 'Rule: a ledger or the salt is empty, restore the table';

{% if back %}
{% include 'move_back_standing.sql' %}

{% else %}
{% include 'cohort_asked.sql' %}

{% if balance %}
{% include 'move_balance.sql' %}

{% endif %}
{% include 'move_standing.sql' %}

{% endif %}
ASSERT (SELECT COUNT(*) = @customers AND COUNTIF(s.standing = 'ready') = @customers FROM standing AS s)
AS 'Rule: who can be moved is no longer what the report says';
CREATE TEMP TABLE moving AS
SELECT customer_key, from_system, since, {{ 'to_system' if back else 'CAST(@to_system AS STRING)' }} AS system FROM standing;

INSERT INTO {{ customer.moved_customer | table }} (move_id, customer_key, from_system, to_system, since, restores)
{% if back %}
SELECT CAST(@move_id AS STRING), g.customer_key, g.from_system, g.system, g.since, COALESCE(b.restores, k.since)
FROM moving AS g
JOIN {{ customer.moved_customer | table }} AS k ON k.move_id = @rolls_back AND k.customer_key = g.customer_key
LEFT JOIN {{ customer.authority | table }} AS m
  ON m.customer_key = g.customer_key AND m.since = k.since AND m.decided_by = 'roll_back'
LEFT JOIN {{ customer.moved_customer | table }} AS b ON b.move_id = m.move_id AND b.customer_key = g.customer_key;
{% else %}
SELECT CAST(@move_id AS STRING), customer_key, from_system, system, since, CAST(NULL AS TIMESTAMP) FROM moving;
{% endif %}
{{ authority.decide(customer, 'moving', "'roll_back'" if back else "'move'", 'CAST(@move_id AS STRING)') }}

{{ counting.begin(e) }}

{{ resolving.records(e) }}
{{ resolving.says(e) }}
{{ resolving.resolve(e) }}
{{ checks.assert_all(e, fails_of[e.name]) }}
{% set write = counting.written_back if back else counting.written %}
{{ write(e) }}
{{ dependents.follow(below, parents_below, 'customer', fails_of, write) }}

-- What was approved is what is done, to the last number.
ASSERT (
  SELECT SUM(IF(name IN ('inserted', 'updated', 'vanished'), number, 0)) = @changes
    AND SUM(IF(name = 'events', number, 0)) = @events
    AND SUM(IF(name = 'vanished', number, 0)) = @vanishing
{% if back %}
    AND SUM(IF(name = 'opened', number, 0)) = @opened
    AND SUM(IF(name = 'lost', number, 0)) = @lost
{% endif %}
  FROM effect
) AS 'Rule: what it would change is no longer what the report says';
INSERT INTO {{ customer.move | table }}
  (move_id, kind, rolls_back, to_system, reason, requested_by, approved_by, decided_at, customers, cohort_hash, changes, events, vanished, run_id, attempt)
VALUES
  (@move_id, {{ "'roll_back', @rolls_back, NULL" if back else "'move', NULL, @to_system" }}, @reason, @requested_by, @approved_by, v_changed_at, @customers, @cohort_hash, @changes, @events, @vanishing, @run_id, @attempt);
{% if back %}
UPDATE {{ customer.move | table }} SET rolled_back_by = @move_id WHERE move_id = @rolls_back;
{% endif %}

COMMIT TRANSACTION;

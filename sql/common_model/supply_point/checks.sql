-- What must hold of supply points. (That a key has one row is asked of every entity.)

-- warn account_is_there: the account is read at another time and may be a day late, so look when the oldest is older
SELECT c.supply_point_key, c.changed_at AS since
FROM common_model.supply_point AS c
LEFT JOIN common_model.account AS p ON p.account_key = c.account_key
WHERE c.account_key IS NOT NULL AND p.account_key IS NULL;

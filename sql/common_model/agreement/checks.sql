-- What must hold of agreements. (That a key has one row is asked of every entity.)

-- warn account_is_there: the account is read at another time and may be a day late, so look when the oldest is older
SELECT c.agreement_key, c.changed_at AS since
FROM common_model.agreement AS c
LEFT JOIN common_model.account AS p ON p.account_key = c.account_key
WHERE c.account_key IS NOT NULL AND p.account_key IS NULL;

-- warn supply_point_is_there: the supply point is read at another time and may be a day late, so look when the oldest is older
SELECT c.agreement_key, c.changed_at AS since
FROM common_model.agreement AS c
LEFT JOIN common_model.supply_point AS p ON p.supply_point_key = c.supply_point_key
WHERE c.supply_point_key IS NOT NULL AND p.supply_point_key IS NULL;

-- warn ends_after_it_starts: an agreement that ends before it starts has its dates the wrong way round
SELECT agreement_key
FROM common_model.agreement
WHERE ends_on < starts_on;

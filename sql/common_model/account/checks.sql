-- What must hold of accounts. (That a key has one row is asked of every entity.)

-- fail balance_within_bounds: a household that owes or is owed a million pounds is a column of pence, or a misread sign
SELECT account_key
FROM changed
WHERE ABS(balance_gbp) >= 1000000;

-- warn closed_after_opened: an account that was closed before it was opened has its dates the wrong way round
SELECT account_key
FROM common_model.account
WHERE closed_on < opened_on;

-- warn customer_is_there: customers are read at other times and may be a day late, so look when the oldest is older
SELECT a.account_key, a.changed_at AS since
FROM common_model.account AS a
LEFT JOIN common_model.customer AS c ON c.customer_key = a.customer_key
WHERE a.customer_key IS NOT NULL AND c.customer_key IS NULL;

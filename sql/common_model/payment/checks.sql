-- What must hold of payments. (That a key has one row is asked of every entity.)

-- fail amount_within_bounds: a household that pays a million pounds is a column of pence, or a misread sign
SELECT payment_key
FROM changed
WHERE ABS(amount_gbp) >= 1000000;

-- warn account_is_there: the account is read at another time and may be a day late, so look when the oldest is older
SELECT c.payment_key, c.changed_at AS since
FROM common_model.payment AS c
LEFT JOIN common_model.account AS p ON p.account_key = c.account_key
WHERE c.account_key IS NOT NULL AND p.account_key IS NULL;

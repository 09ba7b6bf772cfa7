-- What must hold of contact preference records. (That a key has one row is asked of every entity.)

-- warn customer_is_there: the customer is read at another time and may be a day late, so look when the oldest is older
SELECT c.contact_preference_key, c.changed_at AS since
FROM common_model.contact_preference AS c
LEFT JOIN common_model.customer AS p ON p.customer_key = c.customer_key
WHERE c.customer_key IS NOT NULL AND p.customer_key IS NULL;

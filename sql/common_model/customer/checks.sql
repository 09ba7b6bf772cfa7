-- What must hold of customers. (That a key has one row is asked of every entity.)

-- fail one_system_speaks: a customer for whom no system speaks, or two, would follow no move
SELECT c.customer_key
FROM changed AS c
LEFT JOIN speaking AS s ON s.customer_key = c.customer_key
GROUP BY c.customer_key
HAVING COUNT(s.system) <> 1;

-- warn born_in_living_memory: nobody was born before 1900 or after tomorrow, so somebody typed it wrong
SELECT customer_key
FROM common_model.customer
WHERE birth_date NOT BETWEEN DATE '1900-01-01' AND DATE_ADD(CURRENT_DATE(), INTERVAL 1 DAY);

-- warn holds_an_account: a customer without an account is a prospect, or his account is late
SELECT c.customer_key, c.changed_at AS since
FROM common_model.customer AS c
LEFT JOIN common_model.account AS a ON a.customer_key = c.customer_key
WHERE a.customer_key IS NULL;

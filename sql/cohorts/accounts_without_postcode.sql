-- Customers who hold an open account without a postcode.
--
-- For      reading them again once their owner has mended the addresses
-- Choices  a closed account gets no letters, so its address does not matter
SELECT DISTINCT customer_key
FROM common_model.account
WHERE postcode IS NULL AND closed_on IS NULL AND customer_key IS NOT NULL

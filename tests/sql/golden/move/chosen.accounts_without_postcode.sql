-- The keys of those whom a reviewed query has chosen.
SELECT DISTINCT chosen.`customer_key`
FROM (
-- Customers who hold an open account without a postcode.
--
-- For      reading them again once their owner has mended the addresses
-- Choices  a closed account gets no letters, so its address does not matter
SELECT DISTINCT customer_key
FROM `project.common_model.account`
WHERE postcode IS NULL AND closed_on IS NULL AND customer_key IS NOT NULL
) AS chosen
WHERE chosen.`customer_key` IS NOT NULL
LIMIT 100001

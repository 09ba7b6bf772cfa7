-- The ids by which one system knows those whom a reviewed query has chosen.
SELECT DISTINCT i.source_key
FROM `project.identity.customer` AS i
WHERE i.system = @system AND i.id_space = @id_space AND i.`customer_key` IN (
-- Customers who hold an open account without a postcode.
--
-- For      reading them again once their owner has mended the addresses
-- Choices  a closed account gets no letters, so its address does not matter
SELECT DISTINCT customer_key
FROM `project.common_model.account`
WHERE postcode IS NULL AND closed_on IS NULL AND customer_key IS NOT NULL
)
LIMIT 100001

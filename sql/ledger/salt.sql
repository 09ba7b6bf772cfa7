-- The salt of all keys: one row, readable by the merging service account alone. Losing it would change every key.
-- Table and row are one act, so that two deployments at once cannot make two.
CREATE TABLE IF NOT EXISTS {{ tables.salt | table }} (
  salt STRING NOT NULL
)
AS SELECT CONCAT(GENERATE_UUID(), GENERATE_UUID()) AS salt

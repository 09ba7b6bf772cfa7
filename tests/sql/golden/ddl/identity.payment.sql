-- Which key of ours belongs to a system's record. Rows are never deleted: a key once given stays.
-- own_key: minted from the record, or from the facts that identify it. first_number: the number that the first change
-- of its transaction could have: who was seen first. link_*: the record of another system that it says it is a copy of,
-- also when it is gone; is_linked: that link joins the two, under the older key; link_problem: why it does not.
CREATE TABLE IF NOT EXISTS `project.identity.payment` (
  system STRING NOT NULL,
  id_space STRING NOT NULL,
  source_key STRING NOT NULL,
  `payment_key` STRING NOT NULL,
  own_key STRING NOT NULL,
  first_number INT64 NOT NULL,
  same_as STRING,
  link_system STRING,
  link_id_space STRING,
  link_key STRING,
  taken_over_at TIMESTAMP,
  is_linked BOOL NOT NULL,
  link_problem STRING
)
CLUSTER BY system, id_space, source_key

-- One row per system's record, in the entity's columns; a reference holds the other record's canonical source key.
CREATE TABLE IF NOT EXISTS {{ tables.conformed | table }} (
  system STRING NOT NULL,
  id_space STRING NOT NULL,
  source_key STRING NOT NULL,
  batch INT64 NOT NULL,
  is_present BOOL NOT NULL{% for name, type in conformed_columns.items() %},
  {{ name | column }} {{ type }}{% endfor %}

)
CLUSTER BY system, id_space, source_key

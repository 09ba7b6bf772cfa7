-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS {{ tables.common_model | table }} (
  {{ entity_key | column }} STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL{% for name, type in model_columns.items() %},
  {{ name | column }} {{ type }}{% endfor %}

)
CLUSTER BY {{ entity_key | column }}

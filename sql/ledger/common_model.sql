-- One row per thing of the world, whichever system holds it.
CREATE TABLE IF NOT EXISTS {{ e.tables.common_model | table }} (
  {{ e.key | column }} STRING NOT NULL,
  source_system STRING NOT NULL,
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL{% for name, type in e.model_columns.items() %},
  {{ name | column }} {{ type }}{% endfor %}

)
{% if e.partition %}
PARTITION BY {{ e.month() }}
{% endif %}
CLUSTER BY {{ e.key | column }}

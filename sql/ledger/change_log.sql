-- Every change of the common model, numbered without a gap: the row after the change, or its key alone for a removal.
CREATE TABLE IF NOT EXISTS {{ e.tables.change_log | table }} (
  change_number INT64 NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  operation STRING NOT NULL,
  is_event BOOL NOT NULL,
  {{ e.key | column }} STRING NOT NULL,
  source_system STRING{% for name, type in e.model_columns.items() %},
  {{ name | column }} {{ type }}{% endfor %}

)
CLUSTER BY change_number

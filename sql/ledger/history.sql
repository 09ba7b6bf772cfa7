-- Every row as it was from `valid_from` until `valid_to` (NULL: it is so now), of all systems. A removal ends a row and is
-- none. Any moment @t: WHERE valid_from <= @t AND (valid_to > @t OR valid_to IS NULL). Several changes of one key may
-- have one time (a transaction's clock is its start): the last of them counts, the others were true at no moment.
CREATE OR REPLACE VIEW {{ e.tables.history | table }}
OPTIONS (description = {{ description | word }})
AS
SELECT
  h.{{ e.key | column }},
  h.source_system,
  h.change_number,
  h.changed_at AS valid_from,
  h.valid_to{% for name in e.model_columns %},
  h.{{ name | column }}{% endfor %}

FROM (
  SELECT *, LEAD(changed_at) OVER (PARTITION BY {{ e.key | column }} ORDER BY change_number) AS valid_to
  FROM {{ e.tables.change_log | table }}
) AS h
WHERE h.operation <> 'delete' AND (h.valid_to IS NULL OR h.valid_to > h.changed_at)

"""The T-SQL that the stand-in understands: text to trees. Knows nothing of tables, types of columns, or DuckDB."""

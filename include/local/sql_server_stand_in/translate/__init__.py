"""From trees of T-SQL to DuckDB's SQL, with the declared types in hand."""

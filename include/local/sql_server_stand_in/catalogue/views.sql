-- What every database has beside its tables. `{database}` is its name as a literal of SQL.
-- Of `_s` only the server knows; sys, infoschema (INFORMATION_SCHEMA) and cdc are what a client can read.

CREATE SCHEMA dbo;
CREATE SCHEMA sys;
CREATE SCHEMA infoschema;
CREATE SCHEMA cdc;
CREATE SCHEMA _s;

CREATE SEQUENCE _s.rowversion START 2001;
CREATE SEQUENCE _s.object_id START 901578250;
CREATE TABLE _s.layout (version INTEGER);
CREATE TABLE _s.schemas (name VARCHAR, schema_id INTEGER);
INSERT INTO _s.schemas VALUES ('dbo', 1), ('guest', 2), ('INFORMATION_SCHEMA', 3), ('sys', 4), ('cdc', 5);
CREATE TABLE _s.types (name VARCHAR, declared VARCHAR, system_type_id INTEGER, max_length INTEGER, precision INTEGER, scale INTEGER);
CREATE TABLE _s.objects (object_id INTEGER, schema_name VARCHAR, name VARCHAR, create_date TIMESTAMP);
CREATE TABLE _s.columns (
    object_id INTEGER, column_id INTEGER, name VARCHAR, type_name VARCHAR,
    length INTEGER, precision INTEGER, scale INTEGER, is_nullable BOOLEAN
);
CREATE TABLE _s.keys (object_id INTEGER, name VARCHAR, is_primary BOOLEAN, is_clustered BOOLEAN, column_name VARCHAR, ordinal INTEGER);
CREATE TABLE _s.change_commits (version BIGINT, commit_time TIMESTAMP);
INSERT INTO _s.change_commits VALUES (0, NULL);
CREATE TABLE _s.tracked_tables (object_id INTEGER, begin_version BIGINT, min_valid_version BIGINT);

CREATE TABLE cdc.lsn_time_mapping (start_lsn BLOB, tran_begin_time TIMESTAMP, tran_end_time TIMESTAMP);
CREATE TABLE cdc.change_tables (
    object_id INTEGER, source_object_id INTEGER, capture_instance VARCHAR,
    start_lsn BLOB, supports_net_changes BOOLEAN, create_date TIMESTAMP
);
CREATE TABLE _s.captured_columns (
    capture_instance VARCHAR, column_ordinal INTEGER, column_name VARCHAR, type_name VARCHAR,
    length INTEGER, precision INTEGER, scale INTEGER
);

CREATE VIEW cdc.captured_columns AS
SELECT t.object_id, k.column_name, c.column_id, k.type_name AS column_type, k.column_ordinal, false AS is_computed
FROM _s.captured_columns k JOIN cdc.change_tables t ON t.capture_instance = k.capture_instance
JOIN _s.columns c ON c.object_id = t.source_object_id AND lower(c.name) = lower(k.column_name);

CREATE VIEW sys.schemas AS SELECT name, schema_id FROM _s.schemas;
CREATE VIEW sys.types AS
SELECT
    name, system_type_id, system_type_id AS user_type_id, max_length::SMALLINT AS max_length,
    precision::UTINYINT AS precision, scale::UTINYINT AS scale
FROM _s.types;
CREATE VIEW sys.tables AS
SELECT
    o.name, o.object_id, s.schema_id, o.create_date,
    EXISTS (SELECT 1 FROM cdc.change_tables c WHERE c.source_object_id = o.object_id) AS is_tracked_by_cdc
FROM _s.objects o JOIN _s.schemas s ON lower(s.name) = lower(o.schema_name);
CREATE VIEW sys.columns AS
SELECT
    c.object_id, c.name, c.column_id, t.system_type_id, t.system_type_id AS user_type_id,
    (CASE
        WHEN c.length = -1 THEN -1
        WHEN c.type_name IN ('nchar', 'nvarchar') THEN c.length * 2
        WHEN c.length IS NOT NULL THEN c.length
        WHEN c.type_name IN ('decimal', 'numeric') THEN
            CASE WHEN c.precision <= 9 THEN 5 WHEN c.precision <= 19 THEN 9 WHEN c.precision <= 28 THEN 13 ELSE 17 END
        ELSE t.max_length
    END)::SMALLINT AS max_length,
    coalesce(c.precision, t.precision)::UTINYINT AS precision, coalesce(c.scale, t.scale)::UTINYINT AS scale,
    CASE WHEN c.type_name LIKE '%char' THEN 'SQL_Latin1_General_CP1_CI_AS' END AS collation_name,
    c.is_nullable, false AS is_computed, false AS is_masked, NULL::INTEGER AS encryption_type
FROM _s.columns c JOIN _s.types t ON t.declared = c.type_name;
CREATE VIEW sys.indexes AS
SELECT DISTINCT
    k.object_id, k.name, (CASE WHEN k.is_clustered THEN 1 ELSE 2 END) AS index_id,
    CASE WHEN k.is_clustered THEN 'CLUSTERED' ELSE 'NONCLUSTERED' END AS type_desc,
    true AS is_unique, k.is_primary AS is_primary_key,
    false AS is_disabled, false AS has_filter
FROM _s.keys k;
CREATE VIEW sys.index_columns AS
SELECT
    k.object_id, (CASE WHEN k.is_clustered THEN 1 ELSE 2 END) AS index_id, c.column_id,
    k.ordinal::UTINYINT AS key_ordinal, 0::UTINYINT AS partition_ordinal
FROM _s.keys k JOIN _s.columns c ON c.object_id = k.object_id AND c.name = k.column_name;
CREATE VIEW sys.partitions AS
SELECT
    o.object_id, (CASE WHEN EXISTS (SELECT 1 FROM _s.keys k WHERE k.object_id = o.object_id AND k.is_clustered) THEN 1 ELSE 0 END) AS index_id,
    1 AS partition_number, t.estimated_size::BIGINT AS rows
FROM _s.objects o JOIN duckdb_tables() t
ON t.database_name = {database} AND t.schema_name = o.schema_name AND t.table_name = o.name;
CREATE VIEW sys.change_tracking_tables AS SELECT object_id, begin_version, min_valid_version FROM _s.tracked_tables;

CREATE VIEW infoschema.tables AS
SELECT
    {database} AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, name AS TABLE_NAME, 'BASE TABLE' AS TABLE_TYPE
FROM _s.objects;
CREATE VIEW infoschema.columns AS
SELECT
    {database} AS TABLE_CATALOG, o.schema_name AS TABLE_SCHEMA, o.name AS TABLE_NAME, c.name AS COLUMN_NAME,
    c.column_id AS ORDINAL_POSITION, CASE WHEN c.is_nullable THEN 'YES' ELSE 'NO' END AS IS_NULLABLE,
    t.name AS DATA_TYPE, CASE c.type_name WHEN 'xml' THEN -1 ELSE c.length END AS CHARACTER_MAXIMUM_LENGTH,
    (CASE
        WHEN c.precision IS NOT NULL THEN c.precision
        WHEN c.type_name IN ('tinyint', 'smallint', 'int', 'bigint', 'money', 'smallmoney', 'real', 'float')
        THEN t.precision
    END)::UTINYINT AS NUMERIC_PRECISION,
    CASE
        WHEN c.type_name IN ('decimal', 'numeric') THEN c.scale
        WHEN c.type_name IN ('money', 'smallmoney') THEN 4
        WHEN c.type_name IN ('tinyint', 'smallint', 'int', 'bigint') THEN 0
    END AS NUMERIC_SCALE,
    (CASE
        WHEN c.type_name IN ('time', 'datetime2', 'datetimeoffset') THEN c.scale
        WHEN c.type_name = 'datetime' THEN 3
        WHEN c.type_name IN ('date', 'smalldatetime') THEN 0
    END)::SMALLINT AS DATETIME_PRECISION,
    CASE WHEN c.type_name LIKE '%char' THEN 'SQL_Latin1_General_CP1_CI_AS' END AS COLLATION_NAME
FROM _s.columns c JOIN _s.objects o ON o.object_id = c.object_id JOIN _s.types t ON t.declared = c.type_name;
CREATE VIEW infoschema.table_constraints AS
SELECT DISTINCT
    k.name AS CONSTRAINT_NAME, {database} AS TABLE_CATALOG, o.schema_name AS TABLE_SCHEMA, o.name AS TABLE_NAME,
    CASE WHEN k.is_primary THEN 'PRIMARY KEY' ELSE 'UNIQUE' END AS CONSTRAINT_TYPE
FROM _s.keys k JOIN _s.objects o ON o.object_id = k.object_id;
CREATE VIEW infoschema.key_column_usage AS
SELECT
    k.name AS CONSTRAINT_NAME, {database} AS TABLE_CATALOG, o.schema_name AS TABLE_SCHEMA, o.name AS TABLE_NAME,
    k.column_name AS COLUMN_NAME, k.ordinal AS ORDINAL_POSITION
FROM _s.keys k JOIN _s.objects o ON o.object_id = k.object_id;

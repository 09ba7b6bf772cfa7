-- What only the database master has: which databases there are.

CREATE TABLE _s.databases (
    name VARCHAR, database_id INTEGER, create_date TIMESTAMP, recovery_fork_guid UUID,
    allows_snapshot BOOLEAN, tracks_changes BOOLEAN, captures_changes BOOLEAN
);
CREATE VIEW sys.databases AS
SELECT
    name, database_id, create_date, 'SQL_Latin1_General_CP1_CI_AS' AS collation_name, 'ONLINE' AS state_desc,
    allows_snapshot::UTINYINT AS snapshot_isolation_state,
    CASE WHEN allows_snapshot THEN 'ON' ELSE 'OFF' END AS snapshot_isolation_state_desc,
    captures_changes AS is_cdc_enabled
FROM _s.databases;
CREATE VIEW sys.database_recovery_status AS SELECT database_id, recovery_fork_guid FROM _s.databases;

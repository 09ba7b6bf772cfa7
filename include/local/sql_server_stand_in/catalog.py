"""The server's own catalogue beside DuckDB's: databases, declared types, keys; and the DDL that writes it."""
from __future__ import annotations

import re
import threading

from sqlglot import exp

from .dialect import Scope, SqlError, Table, Translator, convert, quote, to_sql, unbracket
from .types import CHARS, SYSTEM, T, parse_type, storage

BOOT = """
CREATE SCHEMA dbo; CREATE SCHEMA sys; CREATE SCHEMA infoschema; CREATE SCHEMA _s; CREATE SCHEMA cdc;
CREATE SEQUENCE _s.rv START 2001; CREATE SEQUENCE _s.object_id START 901578250;
CREATE TABLE _s.objects (object_id INTEGER, schema_name VARCHAR COLLATE NOCASE, name VARCHAR COLLATE NOCASE, type VARCHAR, create_date TIMESTAMP, ct_min BIGINT);
CREATE TABLE _s.columns (object_id INTEGER, column_id INTEGER, name VARCHAR COLLATE NOCASE, type_name VARCHAR, length INTEGER, prec INTEGER, scale INTEGER, is_nullable BOOLEAN, is_identity BOOLEAN, dflt VARCHAR);
CREATE TABLE _s.keys (object_id INTEGER, name VARCHAR COLLATE NOCASE, kind VARCHAR, column_name VARCHAR COLLATE NOCASE, ordinal INTEGER);
CREATE TABLE _s.schemas (name VARCHAR COLLATE NOCASE, schema_id INTEGER);
INSERT INTO _s.schemas VALUES ('dbo', 1), ('guest', 2), ('INFORMATION_SCHEMA', 3), ('sys', 4), ('cdc', 5);
CREATE TABLE _s.types (name VARCHAR, system_type_id INTEGER, user_type_id INTEGER, max_length INTEGER, precision INTEGER, scale INTEGER);
CREATE TABLE _s.ct_commits (version BIGINT, commit_time TIMESTAMP); INSERT INTO _s.ct_commits VALUES (0, NULL);
CREATE TABLE _s.options (name VARCHAR, value VARCHAR);
CREATE TABLE cdc.lsn_time_mapping (start_lsn BLOB, tran_begin_time TIMESTAMP, tran_end_time TIMESTAMP, tran_id BLOB, tran_begin_lsn BLOB);
CREATE TABLE cdc.change_tables (object_id INTEGER, version INTEGER, source_object_id INTEGER, capture_instance VARCHAR COLLATE NOCASE, start_lsn BLOB, end_lsn BLOB, supports_net_changes BOOLEAN, has_drop_pending BOOLEAN, role_name VARCHAR, index_name VARCHAR, filegroup_name VARCHAR, create_date TIMESTAMP, partition_switch BOOLEAN);
CREATE TABLE cdc.captured_columns (object_id INTEGER, column_name VARCHAR, column_id INTEGER, column_type VARCHAR, column_ordinal INTEGER, is_computed BOOLEAN);
CREATE VIEW sys.schemas AS SELECT name, schema_id, 1 AS principal_id FROM _s.schemas;
CREATE VIEW sys.types AS SELECT name, system_type_id, user_type_id, 4 AS schema_id, max_length::SMALLINT AS max_length, precision::UTINYINT AS precision, scale::UTINYINT AS scale, true AS is_nullable, false AS is_user_defined FROM _s.types;
CREATE VIEW sys.objects AS SELECT o.name, o.object_id, s.schema_id, 0 AS parent_object_id, o.type, CASE o.type WHEN 'U' THEN 'USER_TABLE' ELSE 'VIEW' END AS type_desc, o.create_date, o.create_date AS modify_date, false AS is_ms_shipped FROM _s.objects o JOIN _s.schemas s ON s.name = o.schema_name;
CREATE VIEW sys.tables AS SELECT o.*, EXISTS (SELECT 1 FROM cdc.change_tables c WHERE c.source_object_id = o.object_id) AS is_tracked_by_cdc, 0::UTINYINT AS temporal_type FROM sys.objects o WHERE o.type = 'U';
CREATE VIEW sys.views AS SELECT * FROM sys.objects WHERE type = 'V';
CREATE VIEW sys.columns AS SELECT c.object_id, c.name, c.column_id, t.system_type_id, t.user_type_id,
  (CASE WHEN c.length = -1 THEN -1 WHEN c.type_name IN ('nchar','nvarchar') THEN c.length * 2 WHEN c.length IS NOT NULL THEN c.length WHEN c.type_name IN ('decimal','numeric') THEN CASE WHEN c.prec <= 9 THEN 5 WHEN c.prec <= 19 THEN 9 WHEN c.prec <= 28 THEN 13 ELSE 17 END ELSE t.max_length END)::SMALLINT AS max_length,
  coalesce(c.prec, t.precision)::UTINYINT AS precision, coalesce(c.scale, t.scale)::UTINYINT AS scale, CASE WHEN c.type_name LIKE '%char' THEN 'SQL_Latin1_General_CP1_CI_AS' END AS collation_name, c.is_nullable, c.is_identity, false AS is_computed, false AS is_hidden, 0 AS generated_always_type
  FROM _s.columns c JOIN _s.types t ON t.name = CASE c.type_name WHEN 'rowversion' THEN 'timestamp' ELSE c.type_name END;
CREATE VIEW sys.indexes AS SELECT DISTINCT k.object_id, k.name, (CASE k.kind WHEN 'PK' THEN 1 ELSE 2 END) AS index_id, (CASE k.kind WHEN 'PK' THEN 1 ELSE 2 END)::UTINYINT AS type, CASE k.kind WHEN 'PK' THEN 'CLUSTERED' ELSE 'NONCLUSTERED' END AS type_desc, true AS is_unique, k.kind = 'PK' AS is_primary_key, k.kind <> 'PK' AS is_unique_constraint, false AS is_disabled, false AS has_filter FROM _s.keys k
  UNION ALL SELECT o.object_id, NULL, 0, 0::UTINYINT, 'HEAP', false, false, false, false, false FROM _s.objects o WHERE o.type = 'U' AND NOT EXISTS (SELECT 1 FROM _s.keys k WHERE k.object_id = o.object_id AND k.kind = 'PK');
CREATE VIEW sys.index_columns AS SELECT k.object_id, CASE k.kind WHEN 'PK' THEN 1 ELSE 2 END AS index_id, k.ordinal AS index_column_id, c.column_id, k.ordinal::UTINYINT AS key_ordinal, false AS is_descending_key, false AS is_included_column FROM _s.keys k JOIN _s.columns c ON c.object_id = k.object_id AND c.name = k.column_name;
CREATE VIEW sys.key_constraints AS SELECT DISTINCT k.name, k.object_id + 500000 AS object_id, s.schema_id, k.object_id AS parent_object_id, k.kind AS type, 1 AS unique_index_id FROM _s.keys k JOIN _s.objects o ON o.object_id = k.object_id JOIN _s.schemas s ON s.name = o.schema_name;
CREATE VIEW sys.partitions AS SELECT o.object_id, CASE WHEN EXISTS (SELECT 1 FROM _s.keys k WHERE k.object_id = o.object_id AND k.kind = 'PK') THEN 1 ELSE 0 END AS index_id, 1 AS partition_number, d.estimated_size AS rows FROM _s.objects o JOIN duckdb_tables() d ON d.database_name = '{db}' AND d.schema_name = o.schema_name AND d.table_name = o.name;
CREATE VIEW sys.change_tracking_tables AS SELECT object_id, false AS is_track_columns_updated_on, ct_min AS min_valid_version, ct_min AS begin_version, 0::BIGINT AS cleanup_version FROM _s.objects WHERE ct_min IS NOT NULL;
CREATE VIEW sys.dm_tran_commit_table AS SELECT version AS commit_ts, version AS xdes_id, commit_time FROM _s.ct_commits WHERE version > 0;
CREATE VIEW infoschema.tables AS SELECT '{db}' AS TABLE_CATALOG, schema_name AS TABLE_SCHEMA, name AS TABLE_NAME, CASE type WHEN 'U' THEN 'BASE TABLE' ELSE 'VIEW' END AS TABLE_TYPE FROM _s.objects;
CREATE VIEW infoschema.columns AS SELECT '{db}' AS TABLE_CATALOG, o.schema_name AS TABLE_SCHEMA, o.name AS TABLE_NAME, c.name AS COLUMN_NAME, c.column_id AS ORDINAL_POSITION, c.dflt AS COLUMN_DEFAULT, CASE WHEN c.is_nullable THEN 'YES' ELSE 'NO' END AS IS_NULLABLE,
  CASE c.type_name WHEN 'rowversion' THEN 'timestamp' ELSE c.type_name END AS DATA_TYPE, CASE c.type_name WHEN 'xml' THEN -1 ELSE c.length END AS CHARACTER_MAXIMUM_LENGTH, CASE WHEN c.length = -1 OR c.type_name NOT IN ('nchar','nvarchar') THEN c.length ELSE c.length * 2 END AS CHARACTER_OCTET_LENGTH,
  (CASE WHEN c.prec IS NOT NULL THEN c.prec WHEN c.type_name IN ('tinyint','smallint','int','bigint','money','smallmoney','real','float') THEN t.precision END)::UTINYINT AS NUMERIC_PRECISION, (CASE WHEN c.type_name IN ('real','float') THEN 2 WHEN c.prec IS NOT NULL OR c.type_name IN ('tinyint','smallint','int','bigint','money','smallmoney') THEN 10 END)::SMALLINT AS NUMERIC_PRECISION_RADIX,
  CASE WHEN c.type_name IN ('decimal','numeric') THEN c.scale WHEN c.type_name IN ('money','smallmoney') THEN 4 WHEN c.type_name IN ('tinyint','smallint','int','bigint') THEN 0 END AS NUMERIC_SCALE,
  (CASE WHEN c.type_name IN ('time','datetime2','datetimeoffset') THEN c.scale WHEN c.type_name = 'datetime' THEN 3 WHEN c.type_name IN ('date','smalldatetime') THEN 0 END)::SMALLINT AS DATETIME_PRECISION,
  CASE WHEN c.type_name IN ('nchar','nvarchar') THEN 'UNICODE' WHEN c.type_name IN ('char','varchar') THEN 'iso_1' END AS CHARACTER_SET_NAME, CASE WHEN c.type_name LIKE '%char' THEN 'SQL_Latin1_General_CP1_CI_AS' END AS COLLATION_NAME
  FROM _s.columns c JOIN _s.objects o ON o.object_id = c.object_id JOIN _s.types t ON t.name = CASE c.type_name WHEN 'rowversion' THEN 'timestamp' ELSE c.type_name END;
CREATE VIEW infoschema.table_constraints AS SELECT DISTINCT '{db}' AS CONSTRAINT_CATALOG, o.schema_name AS CONSTRAINT_SCHEMA, k.name AS CONSTRAINT_NAME, '{db}' AS TABLE_CATALOG, o.schema_name AS TABLE_SCHEMA, o.name AS TABLE_NAME, CASE k.kind WHEN 'PK' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END AS CONSTRAINT_TYPE FROM _s.keys k JOIN _s.objects o ON o.object_id = k.object_id;
CREATE VIEW infoschema.key_column_usage AS SELECT '{db}' AS CONSTRAINT_CATALOG, o.schema_name AS CONSTRAINT_SCHEMA, k.name AS CONSTRAINT_NAME, '{db}' AS TABLE_CATALOG, o.schema_name AS TABLE_SCHEMA, o.name AS TABLE_NAME, k.column_name AS COLUMN_NAME, k.ordinal AS ORDINAL_POSITION FROM _s.keys k JOIN _s.objects o ON o.object_id = k.object_id;
CREATE VIEW infoschema.constraint_column_usage AS SELECT TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, CONSTRAINT_CATALOG, CONSTRAINT_SCHEMA, CONSTRAINT_NAME FROM infoschema.key_column_usage;
CREATE VIEW infoschema.schemata AS SELECT '{db}' AS CATALOG_NAME, name AS SCHEMA_NAME FROM _s.schemas;
"""
MASTER = """
CREATE TABLE _s.databases (name VARCHAR COLLATE NOCASE, database_id INTEGER, create_date TIMESTAMP, snapshot_isolation_state UTINYINT, is_read_committed_snapshot_on BOOLEAN, is_cdc_enabled BOOLEAN, recovery_fork_guid UUID, ct_on BOOLEAN);
CREATE VIEW sys.databases AS SELECT name, database_id, NULL::INTEGER AS source_database_id, create_date, 150::UTINYINT AS compatibility_level, 'SQL_Latin1_General_CP1_CI_AS' AS collation_name, 0::UTINYINT AS state, 'ONLINE' AS state_desc, false AS is_read_only, snapshot_isolation_state, CASE snapshot_isolation_state WHEN 1 THEN 'ON' ELSE 'OFF' END AS snapshot_isolation_state_desc, is_read_committed_snapshot_on, 1::UTINYINT AS recovery_model, is_cdc_enabled FROM _s.databases;
CREATE VIEW sys.database_recovery_status AS SELECT database_id, uuid() AS database_guid, recovery_fork_guid AS family_guid, NULL::DECIMAL(25,0) AS last_log_backup_lsn, recovery_fork_guid, NULL::UUID AS first_recovery_fork_guid FROM _s.databases;
"""


class Database:
    """One T-SQL database: a DuckDB database attached under its name, and what must be shared between sessions."""

    def __init__(self, name: str):
        self.name = name
        self.lock = threading.RLock()          # rowversion allocation and commit order
        self.active: dict[int, int] = {}       # session -> a value not above the first rowversion its open transaction may hold
        self.tables: dict[tuple[str, str], Table] = {}
        self.instances: dict[str, tuple[Table, list[str]]] = {}
        self.snapshot, self.rcsi, self.ct_on, self.cdc_on = name == "master", False, False, False
        self.ct_version, self.lsn = 0, 0x10


def is_booted(con, name: str) -> bool:
    return bool(con.execute("SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = '_s'", [name]).fetchall())


def is_known(con, name: str) -> bool:
    return bool(con.execute("SELECT 1 FROM master._s.databases WHERE name = ?", [name]).fetchall())


def boot(con, name: str) -> None:
    """In one transaction: a kill leaves either an empty file or a whole catalogue."""
    con.execute(f"USE {quote(name)}")
    con.execute("BEGIN")
    for s in (BOOT + (MASTER if name == "master" else "")).replace("{db}", name).split(";\n"):
        if s.strip():
            con.execute(s)
    rows = [("timestamp" if n == "rowversion" else n, i, i, l, p, s) for n, (i, l, p, s) in SYSTEM.items()] + [("sysname", 231, 256, 256, 0, 0)]
    con.executemany("INSERT INTO _s.types VALUES (?, ?, ?, ?, ?, ?)", rows)
    con.execute("COMMIT")
    con.execute("USE memory.main")


def add_database(con, db: Database) -> None:
    con.execute("INSERT INTO master._s.databases SELECT ?, coalesce(max(database_id), 0) + 1, now()::TIMESTAMP, ?, false, false, uuid(), false FROM master._s.databases", [db.name, int(db.snapshot)])


def load(con, db: Database) -> None:
    """Tables and counters of a database that was there before."""
    q = quote(db.name)
    for oid, schema, name, ct in con.execute(f"SELECT object_id, schema_name, name, ct_min FROM {q}._s.objects").fetchall():
        t = Table(db.name, schema, name, oid, tracked=ct is not None)
        for c, ty, ln, p, s, nn, ident in con.execute(f"SELECT name, type_name, length, prec, scale, is_nullable, is_identity FROM {q}._s.columns WHERE object_id = ? ORDER BY column_id", [oid]).fetchall():
            t.columns[c] = T(ty, ln, p, s, nn, ident)
        t.keys = [r[0] for r in con.execute(f"SELECT column_name FROM {q}._s.keys WHERE object_id = ? AND kind = 'PK' ORDER BY ordinal", [oid]).fetchall()]
        db.tables[schema.lower(), name.lower()] = t
    db.ct_version = con.execute(f"SELECT max(version) FROM {q}._s.ct_commits").fetchall()[0][0]
    last = con.execute(f"SELECT max(start_lsn) FROM {q}.cdc.lsn_time_mapping").fetchall()[0][0]
    db.lsn = int.from_bytes(last, "big") if last else db.lsn
    by_id = {t.object_id: t for t in db.tables.values()}
    for src, cap, oid in con.execute(f"SELECT source_object_id, capture_instance, object_id FROM {q}.cdc.change_tables").fetchall():
        names = [r[0] for r in con.execute(f"SELECT column_name FROM {q}.cdc.captured_columns WHERE object_id = ? ORDER BY column_ordinal", [oid]).fetchall()]
        db.instances[cap] = (by_id[src], names)
        by_id[src].instances.append(cap)
    row = con.execute("SELECT snapshot_isolation_state, is_read_committed_snapshot_on, is_cdc_enabled, ct_on FROM master._s.databases WHERE name = ?", [db.name]).fetchall()
    if row:
        row = row[0]
        db.snapshot, db.rcsi, db.cdc_on, db.ct_on = bool(row[0]), row[1], row[2], row[3]


def next_rowversion(db: str) -> str:
    return f"memory.main.nextrv(nextval('{quote(db)}._s.rv'))"


def create_table(session, tree: exp.Create) -> None:
    """CREATE TABLE: DuckDB gets the storage types, the catalogue the declared ones."""
    node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    temp = bool(node.this.args.get("temporary"))
    db = session.engine.database(node.catalog or session.db)
    schema, name = node.db or "dbo", ("#" if temp else "") + node.name
    if session.table([db.name, schema, name]):
        raise SqlError(2714, f"There is already an object named '{name}' in the database.", 16, 6)
    con, q = session.con, quote(db.name)
    oid = con.execute(f"SELECT nextval('{q}._s.object_id')").fetchall()[0][0]
    table, lines, keys, dflts = Table(db.name, schema, name, oid), [], [], {}
    for item in tree.this.expressions:
        if isinstance(item, exp.ColumnDef):
            t, line = _column(session, item, db, oid, keys, table, dflts)
            table.columns[item.name] = t
            lines.append(line)
        else:
            cons = item.expressions[0] if isinstance(item, exp.Constraint) and item.expressions else item
            label = item.name if isinstance(item, exp.Constraint) else None
            kind = "PK" if isinstance(cons, exp.PrimaryKey) else "UQ" if isinstance(cons, exp.UniqueColumnConstraint) else None
            if kind:
                cols = [c.name for c in (cons.expressions or (cons.this.expressions if cons.this else []))] if kind == "PK" else [c.name for c in cons.this.expressions]
                cols = [c for c in (x.this.name if isinstance(x, exp.Ordered) else x.name for x in (cons.expressions if kind == "PK" else cons.this.expressions))]
                keys.append((kind, label or f"{kind}__{name}", cols))
    for kind, _, cols in keys:
        lines.append(f"{'PRIMARY KEY' if kind == 'PK' else 'UNIQUE'} ({', '.join(quote(c) for c in cols)})")
    for kind, _, cols in keys:
        if kind == "PK":
            table.keys = [table.column(c) for c in cols]
            for c in table.keys:
                t = table.columns[c]
                table.columns[c] = T(t.name, t.length, t.prec, t.scale, False, t.identity)
    if temp:
        con.execute(f"CREATE TEMP TABLE {quote(name)} ({', '.join(lines)})")
        session.temps[name.lower()] = table
        return
    con.execute(f"CREATE TABLE {table.sql} ({', '.join(lines)})")
    con.execute(f"INSERT INTO {q}._s.objects VALUES (?, ?, ?, 'U', now()::TIMESTAMP, NULL)", [oid, schema, name])
    con.executemany(f"INSERT INTO {q}._s.columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [[oid, i + 1, c, t.name, t.length, t.prec, t.scale, t.nullable, t.identity, dflts.get(c)] for i, (c, t) in enumerate(table.columns.items())])
    for kind, label, cols in keys:
        con.executemany(f"INSERT INTO {q}._s.keys VALUES (?, ?, ?, ?, ?)", [[oid, label, kind, c, i + 1] for i, c in enumerate(cols)])
    db.tables[schema.lower(), name.lower()] = table


def _column(session, item: exp.ColumnDef, db: Database, oid: int, keys: list, table: Table, dflts: dict):
    t = parse_type(item.args["kind"].sql("tsql"))
    nullable, identity, default = True, False, None
    for c in item.constraints:
        k = c.kind
        if isinstance(k, exp.NotNullColumnConstraint):
            nullable = bool(k.args.get("allow_null"))
        elif isinstance(k, exp.PrimaryKeyColumnConstraint):
            keys.append(("PK", c.name or f"PK__{table.name}", [item.name]))
            nullable = False
        elif isinstance(k, exp.UniqueColumnConstraint):
            keys.append(("UQ", c.name or f"UQ__{table.name}_{item.name}", [item.name]))
        elif isinstance(k, (exp.GeneratedAsIdentityColumnConstraint, exp.AutoIncrementColumnConstraint)):
            identity, nullable = True, False
            start, step = (k.args.get("start"), k.args.get("increment"))
            seq = f"{quote(db.name)}._s.id_{oid}"
            session.con.execute(f"CREATE SEQUENCE {seq} START {start.name if start is not None else 1} INCREMENT {step.name if step is not None else 1}")
            default = f"nextval('{seq}')"
        elif isinstance(k, exp.DefaultColumnConstraint):
            dflts[item.name] = "(" + k.this.sql("tsql") + ")"
            if k.this.find(exp.CurrentTimestamp) or "sysutcdatetime" in dflts[item.name].lower():
                now = "CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)"
                default = f"memory.main.ts2ticks({now})" if t.name == "datetime2" and t.scale == 7 else f"memory.main.rounddt({now})"
            else:
                new, f = Translator(session).tx(k.this.copy(), Scope())
                default = to_sql(convert(new, f, t))
    if t.name == "rowversion":
        default, nullable = next_rowversion(db.name), False
    t = T(t.name, t.length, t.prec, t.scale, nullable, identity)
    collate = " COLLATE NOCASE" if t.name in CHARS else ""
    return t, f"{quote(item.name)} {storage(t)}{collate}{'' if nullable else ' NOT NULL'}{f' DEFAULT ({default})' if default else ''}"


def drop_table(session, parts: list[str], if_exists: bool) -> None:
    t = session.table(parts)
    if t is None:
        if if_exists:
            return
        raise SqlError(3701, f"Cannot drop the table '{parts[-1]}', because it does not exist or you do not have permission.", 11, 5)
    if t.name.startswith("#"):
        session.con.execute(f"DROP TABLE {quote(t.name)}")
        session.temps.pop(t.name.lower())
        return
    q = quote(t.db)
    session.con.execute(f"DROP TABLE {t.sql}")
    for side in ("objects", "columns", "keys"):
        session.con.execute(f"DELETE FROM {q}._s.{side} WHERE object_id = ?", [t.object_id])
    session.engine.database(t.db).tables.pop((t.schema.lower(), t.name.lower()), None)


def create_schema(session, name: str) -> None:
    q = quote(session.db)
    session.con.execute(f"CREATE SCHEMA {q}.{quote(name)}")
    session.con.execute(f"INSERT INTO {q}._s.schemas SELECT ?, max(schema_id) + 1 FROM {q}._s.schemas", [name])


def alter_database(session, text: str) -> None:
    m = re.match(r"(?is)ALTER\s+DATABASE\s+(\S+)\s+SET\s+(.*)", text)
    if not m:
        raise SqlError(40510, "ALTER DATABASE: only SET is supported.")
    db = session.engine.database(session.db if m[1].upper() == "CURRENT" else unbracket(m[1])[0])
    what = m[2].upper()
    on = bool(re.search(r"\bON\b", what))
    if what.startswith("CHANGE_TRACKING"):
        db.ct_on = on if "=" in what.split("(")[0] else db.ct_on
        column, value = "ct_on", db.ct_on
    elif what.startswith("ALLOW_SNAPSHOT_ISOLATION"):
        db.snapshot = on
        column, value = "snapshot_isolation_state", int(on)
    elif what.startswith("READ_COMMITTED_SNAPSHOT"):
        db.rcsi = on
        column, value = "is_read_committed_snapshot_on", on
    else:
        return
    session.engine.internal(f"UPDATE master._s.databases SET {column} = ? WHERE name = ?", [value, db.name])

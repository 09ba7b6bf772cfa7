"""One login's state and the running of its statements."""
from __future__ import annotations

import datetime as dt
import functools
import re
import struct
import threading
import time

import duckdb
import pyarrow as pa
from sqlglot import exp

from . import capture, catalog, literal_rows, protocol as p
from .dialect import Scope, Splitter, SqlError, Stmt, Table, Translator, convert, key, parse, quote, to_sql, unbracket
from .types import CHARS, DAYS_1970, SYSTEM, T, TICKS_DAY, col_metadata, declared, encode_rows, from_arrow, parse_type, read_value, type_info

BATCH_ROWS = 20_480
NOW_T = {"@@getdate": T("datetime"), "@@sysutcdatetime": T("datetime2", None, None, 7), "@@sysdatetimeoffset": T("datetimeoffset", None, None, 7), "@@min_active_rowversion": T("binary", 8), "@@dbts": T("varbinary", 8),
         "@@identity": T("decimal", None, 38, 0), "@@suser": T("nvarchar", 128), "@@db_name": T("nvarchar", 128), "@@version": T("nvarchar", 300), "@@spid": T("smallint"), "@@trancount": T("int"), "@@rowcount": T("int"),
         "@@error": T("int"), "@@servername": T("nvarchar", 128), "@@microsoftversion": T("int"), "@@max_precision": T("tinyint"), "@@language": T("nvarchar", 128), "@@textsize": T("int"), "@@lock_timeout": T("int"), "@@fetch_status": T("int"), "@@options": T("int")}


@functools.lru_cache(2000)
def split(sql: str) -> tuple[Stmt, ...]:
    return tuple(Splitter(sql).all())


def changes_schema(do):
    """A plan that another session made meanwhile must not be found again: what was known changes before and after."""
    @functools.wraps(do)
    def change(session, *args):
        session.engine.schema_changes()
        try:
            return do(session, *args)
        finally:
            session.engine.schema_changes()
    return change


class Session:
    def __init__(self, engine, spid: int, db: str, login):
        self.engine, self.spid, self.login, self.home = engine, spid, login, db
        self.con = engine.root.cursor()
        self.gone, self.cancelled = False, threading.Event()
        self.temps: dict[str, Table] = {}
        self.prepared: dict[int, tuple[str, str]] = {}
        self.next_handle, self.descriptor = 1, 0
        self.trancount, self.duck, self.doomed = 0, False, False
        self.pending: list[capture.Change] = []
        self.touched: set[str] = set()
        self.identity = self.error = self.rowcount = 0
        self.defaults()
        self.use(db)

    def defaults(self) -> None:
        self.isolation = self.began = "READ COMMITTED"
        self.implicit, self.vars, self.used, self.nocount = False, {}, set(), False

    def close(self) -> None:
        self.rollback()
        self.con.close()

    def cancel(self) -> None:
        self.cancelled.set()
        try:
            self.con.interrupt()
        except Exception:
            pass

    def reset(self, keep_tran: bool) -> None:
        """The reset-connection flag: a pooled connection becomes as new."""
        if not keep_tran:
            self.rollback()
        self.defaults()
        for name in list(self.temps):
            self.con.execute(f"DROP TABLE IF EXISTS {quote(name)}")
        self.temps.clear()
        self.prepared.clear()
        self.use(self.home)

    def use(self, name: str) -> None:
        self.db = self.engine.database(name).name
        self.con.execute(f"USE {quote(self.db)}.dbo")

    # ---------------------------------------------------------------- what the translator asks
    def table(self, parts: list[str]) -> Table | None:
        parts = [""] * (3 - len(parts)) + list(parts)
        if parts[2].startswith("#"):
            return self.temps.get(parts[2].lower())
        db = self.engine.databases.get((parts[0] or self.db).lower())
        if db is None:
            raise SqlError(208, f"Invalid object name '{'.'.join(x for x in parts if x)}'.")
        return db.tables.get(((parts[1] or "dbo").lower(), parts[2].lower()))

    def need_table(self, parts: list[str]) -> Table:
        t = self.table(parts)
        if t is None:
            raise SqlError(208, f"Invalid object name '{'.'.join(parts)}'.")
        return t

    def capture_instance(self, db: str, name: str):
        for k, (table, _) in self.engine.database(db).instances.items():
            if k.lower() == name.lower():
                return table, k
        raise SqlError(208, f"Invalid object name 'cdc.fn_cdc_get_all_changes_{name}'.")

    def variable(self, name: str) -> T:
        if name not in self.vars:
            raise SqlError(137, f'Must declare the scalar variable "{name}".', 15, 2)
        return self.vars[name][0]

    def system(self, name: str) -> T:
        if name not in NOW_T:
            raise SqlError(137, f'Must declare the scalar variable "{name}".', 15, 2)
        return NOW_T[name]

    def value(self, name: str):
        """What a variable or a system value is worth now, as DuckDB takes it."""
        if not name.startswith("@@"):
            return self.vars[name][1]
        now = time.time_ns() // 100 + DAYS_1970 * TICKS_DAY
        if name == "@@getdate":
            unit = (now % TICKS_DAY * 3 + 50000) // 100000
            return dt.datetime(1, 1, 1) + dt.timedelta(days=now // TICKS_DAY, milliseconds=(unit * 10 + 1) // 3)
        if name in ("@@min_active_rowversion", "@@dbts"):
            return (self.min_active() if name != "@@dbts" else self.last_rowversion(self.db)).to_bytes(8, "big")
        return {"@@sysutcdatetime": now, "@@sysdatetimeoffset": {"u": now, "o": 0}, "@@identity": self.identity or None, "@@suser": self.login.user, "@@db_name": self.db, "@@spid": self.spid, "@@trancount": self.trancount,
                "@@rowcount": self.rowcount, "@@error": self.error, "@@version": "Microsoft SQL Server 2019 (stand-in on DuckDB) - 15.0.4000.1 (X64)", "@@servername": "standin", "@@microsoftversion": 0x0F000FA0, "@@max_precision": 38,
                "@@language": "us_english", "@@textsize": 2147483647, "@@lock_timeout": -1, "@@fetch_status": -1, "@@options": 5496}[name]

    def params(self) -> dict:
        return {key(n): self.value(n) for n in self.used}

    # ---------------------------------------------------------------- rowversion
    def last_rowversion(self, db: str) -> int:
        con = self.engine.root.cursor()
        try:
            return con.execute(f"SELECT currval('{quote(db)}._s.rv')").fetchall()[0][0]  # of all sessions; duckdb_sequences() takes ten times as long
        except duckdb.Error:  # never used since it was made or loaded
            return con.execute("SELECT coalesce(last_value, start_value - 1) FROM duckdb_sequences() WHERE database_name = ? AND schema_name = '_s' AND sequence_name = 'rv'", [db]).fetchall()[0][0]

    def min_active(self) -> int:
        db = self.engine.database(self.db)
        with db.lock:
            return min(db.active.values(), default=self.last_rowversion(db.name) + 1)

    # ---------------------------------------------------------------- transactions
    def begin_duck(self) -> None:
        if not self.duck:
            self.con.execute("BEGIN")
            self.duck = True

    def commit(self) -> None:
        """Captured rows get their version and LSN here, in commit order; then the rowversions become visible."""
        if self.doomed:
            self.rollback()
            raise SqlError(3930, "The current transaction cannot be committed and cannot support operations that write to the log file. Roll back the transaction.")
        try:
            if self.duck:
                if self.pending:
                    db = self.engine.database(self.pending[0].table.db)
                    with db.lock:
                        capture.flush(self.con, db, self.pending)
                        self.con.execute("COMMIT")
                else:
                    self.con.execute("COMMIT")
                self.duck = False
        except duckdb.Error:
            self.rollback()
            raise
        self._ended()

    def rollback(self) -> None:
        if self.duck:
            try:
                self.con.execute("ROLLBACK")
            except duckdb.Error:
                pass
        self.duck = False
        self._ended()

    def _ended(self) -> None:
        for name in self.touched:
            db = self.engine.databases.get(name.lower())
            if db:
                with db.lock:
                    db.active.pop(self.spid, None)
        self.touched, self.pending, self.trancount, self.doomed = set(), [], 0, False

    def before(self, write: bool, reads=()) -> None:
        """Start what this statement needs. READ COMMITTED reads stay outside DuckDB's transaction until the first write:
        DuckDB would otherwise give them one snapshot for the whole transaction."""
        if self.doomed:
            raise SqlError(3930, "The current transaction cannot be committed and cannot support operations that write to the log file. Roll back the transaction.")
        if self.implicit and not self.trancount:
            self.trancount, self.began = 1, self.isolation
        if self.isolation == "SNAPSHOT":
            for name in {r[0] for r in reads}:
                if self.trancount and self.began != "SNAPSHOT":
                    raise SqlError(3951, f"Transaction failed in database '{name}' because the statement was run under snapshot isolation but the transaction did not start in snapshot isolation. You cannot change the isolation level of the transaction to snapshot after the transaction has started unless the transaction was originally started under snapshot isolation level.")
                if not self.engine.database(name).snapshot:
                    raise SqlError(3952, f"Snapshot isolation transaction failed accessing database '{name}' because snapshot isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot isolation.")
        if write or (self.trancount and self.isolation in ("SNAPSHOT", "SERIALIZABLE", "REPEATABLE READ")):
            self.begin_duck()

    def writes(self, table: Table) -> None:
        """Called under the database's lock, before the first value is allocated: a bound that is never too high."""
        db = self.engine.database(table.db)
        self.touched.add(db.name)
        if table.rowversion and self.spid not in db.active:
            db.active[self.spid] = self.last_rowversion(db.name) + 1

    # ---------------------------------------------------------------- requests
    def batch(self, sql: str, reply, proc: bool = False, params: dict | None = None) -> bool:
        """Run a batch; proc: within an RPC, whose DONEPROC is still to come. True if all went well."""
        self.vars, self.error = dict(params or {}), 0
        out = Out(self, reply, p.DONEINPROC if proc else p.DONE, proc)
        if self.engine.log:
            self.engine.log(self.spid, "RPC" if proc else "BATCH", sql, {k: v[1] for k, v in self.vars.items()} or "")
        try:
            if not self.insert_literals(sql, out):
                for s in split(sql):
                    self.run(s, out)
        except ConnectionResetError:
            raise
        except Exception as e:
            return self.fail(e, out)
        out.end()
        return True

    def fail(self, e: Exception, out: "Out") -> bool:
        if self.cancelled.is_set():  # the attention itself is answered next, with its own DONE
            if self.duck and not self.trancount:
                self.rollback()
            out.end(p.ERROR_BIT)
            return False
        err = explain(e)
        if self.engine.log:
            self.engine.log(self.spid, "ERROR", err.number, err.text, "" if isinstance(e, SqlError) else repr(e)[:300])
        self.error = err.number
        if isinstance(e, duckdb.Error) and self.duck:
            if self.trancount:
                self.con.execute("ROLLBACK")  # DuckDB aborts the whole transaction at any error, as XACT_ABORT ON does
                self.duck, self.doomed = False, True
            else:
                self.rollback()
        elif self.duck and not self.trancount:
            self.rollback()
        if err.number in (1205, 3960):
            out.env_rollback = bool(self.trancount)
            self.rollback()
        out.reply.message(err.number, err.text, err.severity, err.state)
        if out.env_rollback:
            out.reply.env(p.ENV_ROLLBACK, b"", struct.pack("<Q", self.descriptor))
        out.end(p.ERROR_BIT)
        return False

    def rpc(self, r: p.Reader, reply) -> None:
        while r:
            n = r.u16()
            name = p.PROCS.get(r.u16(), "?") if n == 0xFFFF else r.take(2 * n).decode("utf-16-le")
            r.u16()
            args = []
            while r and r.data[r.pos] not in (0x80, 0xFE, 0xFF):
                label, _ = r.b_varchar(), r.u8()
                t, v = read_value(r)
                args.append((label, t, v))
            if r:
                r.u8()
            self.call(unbracket(name)[-1].lower(), args, reply, last=not r)

    def call(self, name: str, args: list, reply, last: bool) -> None:
        handle, ok = None, True
        value = lambda i: args[i][2] if i < len(args) else None
        if name == "sp_executesql":
            ok = self.batch(value(0) or "", reply, True, self.bind(value(1), args[2:]))
        elif name in ("sp_prepare", "sp_prepexec"):
            self.prepared.pop(value(0), None)  # the driver hands in the handle that this one replaces
            handle, self.next_handle = self.next_handle, self.next_handle + 1
            self.prepared[handle] = (value(1) or "", value(2) or "")
            if name == "sp_prepexec":
                ok = self.batch(value(2) or "", reply, True, self.bind(value(1), args[3:]))
        elif name == "sp_execute":
            if value(0) not in self.prepared:
                ok = self.fail(SqlError(8179, f"Could not find prepared statement with handle {value(0)}."), Out(self, reply, p.DONEINPROC, True))
            else:
                names, sql = self.prepared[value(0)]
                ok = self.batch(sql, reply, True, self.bind(names, args[1:]))
        elif name == "sp_unprepare":
            self.prepared.pop(value(0), None)
        elif name == "sp_describe_undeclared_parameters":
            ok = self.describe(value(0) or "", reply)
        else:
            params = ", ".join((f"{l} = " if l else "") + f"@__a{i}" for i, (l, _, _) in enumerate(args))
            ok = self.batch(f"EXEC {name} {params}", reply, True, {f"@__a{i}": (t, v) for i, (_, t, v) in enumerate(args)})
        reply.return_status(0 if ok else self.error or 1)
        if handle is not None:
            reply.return_value(0, "", type_info(T("int")), b"\x04" + struct.pack("<i", handle))
        reply.done((0 if last else p.MORE) | (0 if ok else p.ERROR_BIT) | (p.IN_TRAN if self.trancount else 0), 0, 0xE0, p.DONEPROC)

    def bind(self, names: str | None, args: list) -> dict:
        """'@P1 int, @P2 varchar(5) OUTPUT' and the values: by name where given, else by position."""
        out, order = {}, []
        for part in re.split(r",(?![^()]*\))", names or ""):
            m = re.match(r"\s*(@\w+)\s+(?:AS\s+)?(.+?)(?:\s+OUT(?:PUT)?)?\s*$", part, re.I | re.S)
            if m:
                order.append((m[1].lower(), m[2]))
        for i, (label, t, v) in enumerate(args):
            name, text = (label.lower(), dict(order).get(label.lower())) if label else order[i] if i < len(order) else (f"@p{i + 1}", None)
            want = declared(t, text)
            out[name] = (T(t.name, t.length, t.prec, t.scale) if v is not None and (want.name != t.name or t.scale != want.scale) else want, v)
        return out

    def describe(self, sql: str, reply) -> bool:
        """sp_describe_undeclared_parameters: a parameter takes the type of the column it is stored in or compared with."""
        found: dict[str, T] = {}
        try:
            tree = parse(Splitter(sql).all()[0].text)
            tables = [t for n in tree.find_all(exp.Table) if isinstance(n.this, exp.Identifier) and (t := self.table([n.catalog, n.db, n.name]))]
            column = lambda name: next((t.columns[t.column(name)] for t in tables if t.column(name)), None)
            for q in tree.find_all(exp.Parameter):
                near = q.parent
                while isinstance(near, (exp.Paren, exp.Cast)):
                    near = near.parent
                t = None
                if isinstance(near, exp.Tuple) and isinstance(tree, exp.Insert):
                    names = [c.name for c in tree.this.expressions] if isinstance(tree.this, exp.Schema) else list(tables[0].columns)
                    t = column(names[near.expressions.index(q)])
                elif near is not None and (col := near.find(exp.Column)):
                    t = column(col.name)
                found.setdefault("@" + q.name, t or T("nvarchar", 4000))
        except Exception as e:
            return self.fail(e, Out(self, reply, p.DONEINPROC, True))
        cols = [("parameter_ordinal", T("int")), ("name", T("nvarchar", 128)), ("suggested_system_type_id", T("int")), ("suggested_system_type_name", T("nvarchar", 256)), ("suggested_max_length", T("smallint")), ("suggested_precision", T("tinyint")), ("suggested_scale", T("tinyint")),
                *((n, T("int")) for n in ("suggested_user_type_id",)), *((n, T("nvarchar", 128)) for n in ("suggested_user_type_database", "suggested_user_type_schema", "suggested_user_type_name", "suggested_assembly_qualified_type_name")), ("suggested_xml_collection_id", T("int")),
                *((n, T("nvarchar", 128)) for n in ("suggested_xml_collection_database", "suggested_xml_collection_schema", "suggested_xml_collection_name")), *((n, T("bit")) for n in ("suggested_is_xml_document", "suggested_is_case_sensitive", "suggested_is_fixed_length_clr_type", "suggested_is_input", "suggested_is_output")),
                ("formal_parameter_name", T("nvarchar", 128)), ("suggested_tds_type_id", T("int")), ("suggested_tds_length", T("int"))]
        rows = []
        for i, (name, t) in enumerate(sorted(found.items(), key=lambda kv: (len(kv[0]), kv[0]))):
            sid, size, prec, scale = SYSTEM[t.name]
            size = -1 if t.length == -1 else (t.length or size) * (2 if t.name[0] == "n" and t.name in CHARS else 1)
            info = type_info(t)
            rows.append([i + 1, name, sid, t.text().replace("rowversion", "timestamp"), size, t.prec or prec, t.scale if t.scale is not None else scale] + [None] * 9 + [False, False, False, True, False, None, info[0], size if size > 0 else 65535])
        arrays = [pa.array([r[i] for r in rows]) for i in range(len(cols))]
        reply.add(col_metadata(cols))
        reply.add(encode_rows(cols, arrays, len(rows)))
        reply.done(p.MORE | p.COUNT, len(rows), 0xC1, p.DONEINPROC)
        return True

    def transaction_manager(self, r: p.Reader, reply) -> None:
        kind = r.u16()
        if self.engine.log:
            self.engine.log(self.spid, "TM", kind, self.isolation)
        status = 0
        try:
            if kind == 5:
                level = r.u8()
                self._tm_begin(level, reply)
            elif kind in (7, 8):
                r.b_varchar()
                again = r.u8() & 1 if r else 0
                level = r.u8() if again and r else 0
                old = struct.pack("<Q", self.descriptor)
                self.commit() if kind == 7 else self.rollback()
                reply.env(p.ENV_COMMIT if kind == 7 else p.ENV_ROLLBACK, b"", old)
                if again:
                    self._tm_begin(level, reply)
            elif kind != 9:
                raise SqlError(8525, f"Transaction manager request {kind} is not supported.")
        except Exception as e:
            err = explain(e)
            reply.message(err.number, err.text, err.severity, err.state)
            status = p.ERROR_BIT
        reply.done(status | (p.IN_TRAN if self.trancount else 0))

    def _tm_begin(self, level: int, reply) -> None:
        if level:
            self.isolation = {1: "READ UNCOMMITTED", 2: "READ COMMITTED", 3: "REPEATABLE READ", 4: "SERIALIZABLE", 5: "SNAPSHOT"}.get(level, self.isolation)
        self.trancount, self.began = 1, self.isolation
        self.descriptor = (self.spid << 32) + int(time.time_ns() & 0xFFFFFFFF) or 1
        reply.env(p.ENV_BEGIN, struct.pack("<Q", self.descriptor), b"")

    # ---------------------------------------------------------------- statements
    def run(self, s: Stmt, out: "Out") -> None:
        if self.cancelled.is_set():
            raise duckdb.InterruptException("cancelled")
        handler = getattr(self, "do_" + s.head.lower(), None)
        if handler is None:
            raise SqlError(102, f"Incorrect syntax near '{s.text[:60] or s.head}'.", 15)
        handler(s, out)

    def do_block(self, s, out):
        for x in s.body:
            self.run(x, out)

    def do_if(self, s, out):
        self.used = set()
        tree, tr = parse("SELECT CASE WHEN " + s.cond + " THEN 1 ELSE 0 END AS x"), Translator(self)
        tr.query(tree)
        for x in s.body if self.con.execute(to_sql(tree), self.params()).fetchall()[0][0] else s.other:
            self.run(x, out)

    def do_use(self, s, out):
        old = self.db
        self.use(unbracket(s.text.split(None, 1)[1])[0])
        out.reply.env(p.ENV_DATABASE, self.db, old)
        out.reply.message(5701, f"Changed database context to '{self.db}'.", 0, 2)
        out.done()

    def do_print(self, s, out):
        out.reply.message(0, str(self.scalar(s.text[5:])[0]), 0)
        out.done()

    def do_raiserror(self, s, out):
        m = re.match(r"(?is)RAISERROR\s*\(\s*N?'((?:[^']|'')*)'\s*,\s*(\d+)\s*,\s*(\d+)", s.text)
        if not m:
            raise SqlError(102, "Incorrect syntax near 'RAISERROR'.", 15)
        if int(m[2]) > 10:
            raise SqlError(50000, m[1].replace("''", "'"), int(m[2]), int(m[3]))
        out.reply.message(50000, m[1].replace("''", "'"), int(m[2]), int(m[3]))
        out.done()

    def do_waitfor(self, s, out):
        m = re.search(r"DELAY\s+'(\d+):(\d+):(\d+(?:\.\d+)?)'", s.text, re.I)
        if m and self.cancelled.wait(int(m[1]) * 3600 + int(m[2]) * 60 + float(m[3])):
            raise duckdb.InterruptException("cancelled")
        out.done()

    def scalar(self, text: str, to: T | None = None) -> tuple[object, T | None]:
        """The value of one expression, as a parameter can carry it on."""
        self.used = set()
        tree, tr = parse("SELECT " + text + " AS x"), Translator(self)
        t = (tr.query(tree) or [(None, None)])[0][1]
        if to is not None:
            alias = tree.expressions[0]
            alias.set("this", convert(alias.this.copy(), t, to))
        got = _fetch(self.con, to_sql(tree), self.params())
        return got, to or t

    def do_declare(self, s, out):
        for part in re.split(r",(?![^()]*\))", s.text[7:]):
            m = re.match(r"\s*(@\w+)\s+(?:AS\s+)?([^=]+?)\s*(?:=\s*(.*))?$", part, re.S | re.I)
            if not m:
                raise SqlError(102, f"Incorrect syntax near '{part.strip()[:40]}'.", 15)
            t = parse_type(m[2])
            self.vars[m[1].lower()] = (t, self.scalar(m[3], t)[0] if m[3] else None)

    def do_set(self, s, out):
        text = s.text.strip()
        if m := re.match(r"(?is)SET\s+(@\w+)\s*=\s*(.*)", text):
            t = self.variable(m[1].lower())
            self.vars[m[1].lower()] = (t, self.scalar(m[2], t)[0])
        elif m := re.match(r"(?is)SET\s+TRANSACTION\s+ISOLATION\s+LEVEL\s+(\w+(?:\s+\w+)?)", text):
            level = " ".join(m[1].upper().split())
            self.isolation = level
        elif m := re.match(r"(?is)SET\s+IMPLICIT_TRANSACTIONS\s+(ON|OFF)", text):
            self.implicit = m[1].upper() == "ON"
        elif m := re.match(r"(?is)SET\s+NOCOUNT\s+(ON|OFF)", text):
            self.nocount = m[1].upper() == "ON"
        out.done()

    def do_begin(self, s, out):
        self.trancount += 1
        if self.trancount == 1:
            self.began = self.isolation
            self.descriptor = (self.spid << 32) + int(time.time_ns() & 0xFFFFFFFF) or 1
            out.reply.env(p.ENV_BEGIN, struct.pack("<Q", self.descriptor), b"")
        out.done()

    def do_commit(self, s, out):
        if not self.trancount:
            raise SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        if self.trancount > 1:
            self.trancount -= 1
        else:
            self.commit()
            out.reply.env(p.ENV_COMMIT, b"", struct.pack("<Q", self.descriptor))
        out.done()

    def do_rollback(self, s, out):
        if not self.trancount:
            raise SqlError(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.rollback()
        out.reply.env(p.ENV_ROLLBACK, b"", struct.pack("<Q", self.descriptor))
        out.done()

    # -- queries
    def plan(self, s: Stmt, build):
        """What a statement's text became, kept while no DDL happens: parsing costs more than most statements do."""
        types = sorted(((n, t) for n, (t, _) in self.vars.items()), key=lambda x: x[0])
        k = (build.__name__, s.text, self.db, self.engine.ddl, tuple((n, t.text(), t.nullable) for n, t in types))
        if not self.temps and (hit := self.engine.plans.get(k)):
            self.used = set(hit[0])
            return hit[1]
        self.used = set()
        made = build(parse(s.text))
        if made is not None and not self.temps:
            if len(self.engine.plans) > 5000:
                self.engine.plans.clear()
            self.engine.plans[k] = (frozenset(self.used), made)
        return made

    def plan_select(self, tree):
        """None where the statement is no plain query."""
        if not isinstance(tree, exp.Query) or isinstance(tree, exp.Select) and (tree.args.get("into") is not None or tree.expressions and all(isinstance(e, exp.EQ) and isinstance(e.this, exp.Parameter) for e in tree.expressions)):
            return None
        tr = Translator(self)
        types = tr.query(tree)
        return to_sql(tree), types, tr.reads, tr.checks

    def do_select(self, s, out):
        if re.search(r"(?is)\bFOR\s+(JSON|XML|BROWSE)\b|\bTOP\s*\(?\s*\d+\s*\)?\s+(PERCENT|WITH\s+TIES)", s.text):
            raise SqlError(102, "FOR JSON, FOR XML, TOP PERCENT and WITH TIES are not supported by the stand-in.", 15)
        if made := self.plan(s, self.plan_select):
            sql, types, reads, checks = made
            params = self.params()
            self.before(False, reads)
            for _, db, instance, args in checks:
                capture.check_range(self.con, self.engine.database(db), instance, args, params)
            return out.result(sql, params, types)
        tree = parse(s.text)
        if isinstance(tree, exp.Insert):
            return self.do_insert(s, out)
        if isinstance(tree, exp.Update):
            return self.do_update(s, out)
        if isinstance(tree, exp.Delete):
            return self.do_delete(s, out)
        if isinstance(tree, exp.Select) and tree.expressions and all(isinstance(e, exp.EQ) and isinstance(e.this, exp.Parameter) for e in tree.expressions):
            return self.assign(tree, out)
        into = tree.args["into"]
        tree.set("into", None)
        self.used = set()
        types = Translator(self).query(tree)
        self.into(into.this, tree, types, out)

    do_with = do_select

    def assign(self, tree, out):
        names = [("@" + e.this.name.lower()) for e in tree.expressions]
        tree.set("expressions", [exp.alias_(e.expression.copy(), f"x{i}") for i, e in enumerate(tree.expressions)])
        self.used = set()
        tr = Translator(self)
        types = tr.query(tree)
        for i, n in enumerate(names):
            a = tree.expressions[i]
            a.set("this", convert(a.this.copy(), types[i][1] if types else None, self.variable(n)))
        self.before(False, tr.reads)
        rows = self.con.execute(to_sql(tree), self.params()).fetchall()
        if rows:
            for n, v in zip(names, rows[-1]):
                self.vars[n] = (self.vars[n][0], v)
        out.done()

    def into(self, target, tree, types, out):
        temp = bool(target.this.args.get("temporary"))
        name = ("#" if temp else "") + target.name
        self.before(True)
        probe = self.con.execute(f"SELECT * FROM ({to_sql(tree)}) LIMIT 0", self.params()).to_arrow_table().schema
        cols = {f.name: (types[i][1] if types and i < len(types) and types[i][1] else from_arrow(f.type)) for i, f in enumerate(probe)}
        lines = ", ".join(f"{n} {t.text()}" for n, t in ((quote(n), T("binary", 8) if t.name == "rowversion" else t) for n, t in cols.items()))
        self.used_ddl(f"CREATE TABLE {'#' if temp else ''}{'.'.join('[' + x + ']' for x in (target.db, target.name) if x) if not temp else target.name} ({lines})", out)
        t = self.need_table([target.catalog, target.db, name])
        n = self.con.execute(f"INSERT INTO {quote(name) if temp else t.sql} {to_sql(tree)}", self.params()).fetchall()[0][0]
        self.touched.add(self.db)
        self.settle()
        out.done(n, 0xC1)

    def used_ddl(self, text: str, out) -> None:
        used = self.used
        catalog.create_table(self, parse(text))
        self.used = used

    # -- DML
    def insert_literals(self, sql: str, out: "Out") -> bool:
        """Many literal rows at once, without parsing them; False where the statement is another."""
        found = literal_rows.read(sql)
        t = self.table(found[0]) if found else None
        made = literal_rows.plan(t, *found[1:]) if t and not t.identity else None
        if made is None:
            return False
        self.used = set()
        self.con.register("literal_rows", made[0])
        try:
            self.write(t, 2, made[1], None, [], 0xC3, "", out)
        finally:
            self.con.unregister("literal_rows")
        return True

    def target(self, node: exp.Table) -> Table:
        temp = node.this.args.get("temporary")
        return self.need_table([node.catalog, node.db, ("#" if temp else "") + node.name])

    def do_insert(self, s, out):
        t = self.write(*self.plan(s, self.plan_insert), out)
        if t.identity and not t.name.startswith("#"):
            self.identity = self.engine.root.cursor().execute("SELECT last_value FROM duckdb_sequences() WHERE database_name = ? AND sequence_name = ?", [t.db, f"id_{t.object_id}"]).fetchall()[0][0] or 0

    def plan_insert(self, tree):
        node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        t = self.target(node)
        given = [c.name for c in tree.this.expressions] if isinstance(tree.this, exp.Schema) else [c for c, ty in t.columns.items() if ty.name != "rowversion" and not ty.identity]
        cols = []
        for c in given:
            if t.column(c) is None:
                raise SqlError(207, f"Invalid column name '{c}'.")
            cols.append(t.column(c))
        if any(t.columns[c].name == "rowversion" for c in cols):
            raise SqlError(273, "Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the timestamp column, or insert a DEFAULT into the timestamp column.")
        tr = Translator(self)
        src = tree.expression
        if isinstance(src, exp.Values):
            for row in src.expressions:
                cells = row.expressions if isinstance(row, exp.Tuple) else [row]
                if len(cells) != len(cols):
                    raise SqlError(110 if len(cells) > len(cols) else 109, "The number of columns for each row in a table value constructor must be the same." if len(src.expressions) > 1 else "There are fewer or more columns in the INSERT statement than values specified in the VALUES clause.", 15)
                fresh = []
                for c, cell in zip(cols, cells):
                    default = isinstance(cell, (exp.Column, exp.Var)) and cell.name.upper() == "DEFAULT"
                    fresh.append(cell if default else convert(*tr.tx(cell, Scope()), t.columns[c], strict=True))
                row.replace(exp.Tuple(expressions=fresh)) if not isinstance(row, exp.Tuple) else row.set("expressions", fresh)
            body = to_sql(src)
        elif src is None:
            body, cols = "DEFAULT VALUES", []
        else:
            if w := (tree.args.get("with_") or tree.args.get("with")):
                src.set("with_", w)
            types = tr.query(src)
            aliases = [f"_{i}" for i in range(len(cols))]
            picks = ", ".join(to_sql(convert(exp.column(a), types[i][1] if types else None, t.columns[c], strict=True)) for i, (a, c) in enumerate(zip(aliases, cols)))
            body = f"SELECT {picks} FROM ({to_sql(src)}) AS _q({', '.join(aliases)})"
        names = f" ({', '.join(quote(c) for c in cols)})" if cols else ""
        sql = f"INSERT INTO {quote(t.name) if t.name.startswith('#') else t.sql}{names} {body}"
        return t, 2, sql, tree.args.get("returning"), tr.reads, 0xC3, ""

    def do_update(self, s, out):
        self.write(*self.plan(s, self.plan_update), out)

    def plan_update(self, tree):
        if tree.args.get("with_") or tree.args.get("with"):
            raise SqlError(102, "WITH before UPDATE is not supported by the stand-in.", 15)
        tr = Translator(self)
        frm = tree.args.get("from_") or tree.args.get("from")
        alias, t = self._aliased(tree.this, frm)
        sc = Scope()
        if frm is not None:
            tr.source(frm.this, sc)
        else:
            sc.sources[alias.lower()] = list(t.columns.items())
        sets = []
        for e in tree.expressions:
            c = t.column(e.this.name)
            if c is None:
                raise SqlError(207, f"Invalid column name '{e.this.name}'.")
            new, f = tr.tx(e.expression, sc)
            sets.append((c, convert(new, f, t.columns[c], strict=True)))
        where = tree.args.get("where")
        if where is not None:
            tr.children(where, sc)
        rv = [f"{quote(t.rowversion)} = {catalog.next_rowversion(t.db)}"] if t.rowversion else []
        if frm is None:
            cond = to_sql(where) if where is not None else ""
            sql = f"UPDATE {self._name(t)} AS {quote(alias)} SET " + ", ".join([f"{quote(c)} = {to_sql(v)}" for c, v in sets] + rv) + " " + cond
            pre = f"SELECT * FROM {self._name(t)} AS {quote(alias)} {cond}"
        else:
            picks = ", ".join([f"{quote(alias)}.rowid AS _rid"] + [f"{to_sql(v)} AS _e{i}" for i, (_, v) in enumerate(sets)])
            inner = f"SELECT {picks} {to_sql(frm)} {to_sql(where) if where is not None else ''} QUALIFY row_number() OVER (PARTITION BY {quote(alias)}.rowid) = 1"
            sql = f"UPDATE {self._name(t)} SET " + ", ".join([f"{quote(c)} = _src._e{i}" for i, (c, _) in enumerate(sets)] + rv) + f" FROM ({inner}) AS _src WHERE {self._name(t)}.rowid = _src._rid"
            pre = f"SELECT * FROM {self._name(t)} WHERE rowid IN (SELECT _rid FROM ({inner}))"
        return t, 4, sql, tree.args.get("returning"), tr.reads, 0xC5, pre

    def do_delete(self, s, out):
        self.write(*self.plan(s, self.plan_delete), out)

    def plan_delete(self, tree):
        if tree.args.get("with_") or tree.args.get("with") or any(x.name.upper() == "TOP" for x in tree.args.get("tables") or []):
            raise SqlError(102, "WITH before DELETE and DELETE TOP are not supported by the stand-in.", 15)
        tr = Translator(self)
        listed = tree.args.get("tables") or []
        node = tree.this
        alias = listed[0].name if listed else node.alias_or_name
        sc = Scope()
        joins = node.args.get("joins")
        t = next((self.target(x) for x in node.find_all(exp.Table) if x.alias_or_name.lower() == alias.lower()), None) or self.target(node)
        tr.source(node, sc)
        where = tree.args.get("where")
        if where is not None:
            tr.children(where, sc)
        cond = to_sql(where) if where is not None else ""
        if joins or (listed and node.alias_or_name.lower() != alias.lower()):
            sql = f"DELETE FROM {self._name(t)} WHERE rowid IN (SELECT {quote(alias)}.rowid FROM {to_sql(node)} {cond})"
        else:
            sql = f"DELETE FROM {self._name(t)} AS {quote(alias)} {cond}"
        return t, 1, sql, tree.args.get("returning"), tr.reads, 0xC4, ""

    def _name(self, t: Table) -> str:
        return quote(t.name) if t.name.startswith("#") else t.sql

    def _aliased(self, node, frm):
        if frm is None:
            return node.alias_or_name if not node.this.args.get("temporary") else "#" + node.name, self.target(node)
        for x in frm.find_all(exp.Table):
            if isinstance(x.this, exp.Identifier) and x.alias_or_name.lower() == node.name.lower():
                return x.alias_or_name, self.target(x)
        return node.name, self.target(node)

    def write(self, t: Table, op: int, sql: str, returning, reads, command: int, pre: str, out: "Out") -> Table:
        """Run one INSERT/UPDATE/DELETE; captured rows come back by RETURNING and wait for the commit."""
        self.before(True, reads)
        params = self.params()
        if self.engine.log:
            self.engine.log(self.spid, "DUCKDB", sql)
        only = lambda q: {k: v for k, v in params.items() if re.search(rf"\${k}\b", q)}
        captured = t.tracked or bool(t.instances)
        output = None
        with self.engine.database(t.db).lock:
            if not t.name.startswith("#"):
                self.writes(t)
            if captured or returning is not None:
                old = self.con.execute(pre, only(pre)).to_arrow_table() if pre and (captured or returning is not None) else None
                got = self.con.execute(sql + " RETURNING " + ", ".join(quote(c) for c in t.columns), only(sql)).to_arrow_table()
                n = got.num_rows
                if captured:
                    self.pending += capture.pair_updates(t, old, got) if op == 4 else [capture.Change(t, op, got)]
                output = (got, old)
            else:
                done = self.con.execute(sql, only(sql)).fetchall()
                n = done[0][0] if done else 0
        self.rowcount = n
        if returning is not None:
            self.output(t, returning, output, op, out, command)
            self.settle()
        else:
            self.settle()
            out.done(n, command)
        return t

    def output(self, t: Table, returning, rows, op: int, out, command) -> None:
        got, old = rows
        cols, arrays = [], []
        for e in returning.expressions:
            col = e.this if isinstance(e, exp.Alias) else e
            source = old if col.table.lower() == "deleted" and old is not None else got
            for c in (t.columns if isinstance(col, exp.Star) or isinstance(col.this, exp.Star) else [t.column(col.name)]):
                cols.append((e.alias_or_name if isinstance(e, exp.Alias) else c, t.columns[c]))
                arrays.append(source.column(c).combine_chunks() if source.num_rows else pa.array([], source.schema.field(c).type))
        out.table(cols, arrays, got.num_rows, command)

    def settle(self) -> None:
        """The end of a statement outside a transaction is its commit."""
        if not self.trancount:
            self.commit()

    def do_truncate(self, s, out):
        t = self.target(parse(s.text).expressions[0])
        if t.tracked or t.instances:
            raise SqlError(4711, f"Cannot truncate table '{t.name}' because it is published for replication or enabled for Change Data Capture.")
        self.before(True)
        self.touched.add(t.db)
        self.con.execute(f"DELETE FROM {self._name(t)}")
        self.settle()
        out.done()

    def do_merge(self, s, out):
        raise SqlError(102, "MERGE is not supported by the stand-in.", 15)

    # -- DDL
    @changes_schema
    def do_create(self, s, out):
        words = s.text.split(None, 3)
        what = words[1].upper()
        if what == "DATABASE":
            self.engine.create_database(unbracket(words[2])[0])
            return out.done()
        self.before(True)
        self.touched.add(self.db)
        if what == "SCHEMA":
            catalog.create_schema(self, unbracket(words[2])[0])
        elif what == "TABLE":
            self.used = set()
            catalog.create_table(self, parse(s.text))
        elif what in ("INDEX", "UNIQUE", "STATISTICS"):
            pass
        else:
            raise SqlError(102, f"CREATE {what} is not supported by the stand-in.", 15)
        self.settle()
        out.done()

    @changes_schema
    def do_drop(self, s, out):
        m = re.match(r"(?is)DROP\s+(\w+)\s+(IF\s+EXISTS\s+)?(.*)", s.text.strip())
        what = m[1].upper()
        if what == "DATABASE":
            if not (m[2] and unbracket(m[3])[0].lower() not in self.engine.databases):
                self.engine.drop_database(unbracket(m[3])[0])
            return out.done()
        self.before(True)
        self.touched.add(self.db)
        if what == "TABLE":
            for part in m[3].split(","):
                catalog.drop_table(self, unbracket(part), bool(m[2]))
        elif what == "SCHEMA":
            self.con.execute(f"DROP SCHEMA {'IF EXISTS ' if m[2] else ''}{quote(unbracket(m[3])[0])}")
        self.settle()
        out.done()

    @changes_schema
    def do_alter(self, s, out):
        if re.match(r"(?i)ALTER\s+DATABASE", s.text):
            catalog.alter_database(self, s.text)
            return out.done()
        m = re.match(r"(?is)ALTER\s+TABLE\s+(\S+)\s+(ENABLE|DISABLE)\s+CHANGE_TRACKING", s.text)
        self.before(True)
        if m:
            t = self.need_table(unbracket(m[1]))
            db = self.engine.database(t.db)
            with db.lock:
                (capture.enable_tracking if m[2].upper() == "ENABLE" else capture.disable_tracking)(self.con, db, t)
        elif m := re.match(r"(?is)ALTER\s+TABLE\s+(\S+)\s+ADD\s+(\[?\w+\]?\s+.*)", s.text):
            t = self.need_table(unbracket(m[1]))
            item = parse(f"CREATE TABLE x ({m[2]})").this.expressions[0]
            ty, line = catalog._column(self, item, self.engine.database(t.db), t.object_id, [], t, {})
            self.con.execute(f"ALTER TABLE {t.sql} ADD COLUMN {line.replace(' NOT NULL', '')}")
            t.columns[item.name] = ty
            self.con.execute(f"INSERT INTO {quote(t.db)}._s.columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", [t.object_id, len(t.columns), item.name, ty.name, ty.length, ty.prec, ty.scale, ty.nullable, ty.identity])
            self.touched.add(t.db)
        else:
            raise SqlError(102, f"{s.text[:60]} is not supported by the stand-in.", 15)
        self.settle()
        out.done()

    # -- procedures
    def do_exec(self, s, out):
        m = re.match(r"(?is)EXEC(?:UTE)?\s+(?:@\w+\s*=\s*)?([\w.\[\]]+)\s*(.*)", s.text.strip())
        if not m:
            raise SqlError(102, f"Incorrect syntax near '{s.text[:40]}'.", 15)
        name = ".".join(unbracket(m[1])[-2:]).lower()
        args, n = {}, 0
        for part in re.split(r",(?=(?:[^']*'[^']*')*[^']*$)(?![^()]*\))", m[2].strip().rstrip(";")):
            if not part.strip():
                continue
            a = re.match(r"(?s)\s*(@\w+)\s*=\s*(.+)", part)
            args[a[1].lower() if a else n] = self.scalar(a[2] if a else part)
            n += 1
        from . import procs
        if name.startswith(("standin.", "sp_exec")):
            procs.call(self, name, args, out)
        else:
            changes_schema(procs.call)(self, name, args, out)

    do_execute = do_exec


class Out:
    """Where a batch's results go: the last DONE is held back, so that its MORE bit can be right."""

    def __init__(self, session: Session, reply, token: int, proc: bool):
        self.s, self.reply, self.token, self.proc, self.held, self.env_rollback = session, reply, token, proc, None, False

    def _status(self) -> int:
        return p.IN_TRAN if self.s.trancount else 0

    def done(self, rows: int | None = None, command: int = 0) -> None:
        self.push()
        self.held = (self._status() | (p.COUNT if rows is not None and not self.s.nocount else 0), rows or 0, command)

    def push(self) -> None:
        if self.held:
            self.reply.done(self.held[0] | p.MORE, self.held[1], self.held[2], self.token)
            self.held = None

    def end(self, status: int = 0) -> None:
        if self.proc:
            if status:
                self.push()
                self.reply.done(status | p.MORE | self._status(), 0, 0, self.token)
            else:
                self.push()
            return
        if self.held and not status:
            self.reply.done(self.held[0], self.held[1], self.held[2], self.token)
        else:
            self.push()
            self.reply.done(status | self._status(), 0, 0, self.token)
        self.held = None

    def table(self, cols, arrays, n: int, command: int = 0xC1) -> None:
        self.push()
        self.reply.add(col_metadata(cols))
        self.reply.add(encode_rows(cols, arrays, n))
        self.done(n, command)

    def result(self, sql: str, params: dict, types) -> None:
        """Run a query and send its rows as they come."""
        s, engine = self.s, self.s.engine
        fault, engine.fault = engine.fault, None
        if engine.log:
            engine.log(s.spid, "DUCKDB", sql)
        reader = s.con.sql(sql, params=params or None).to_arrow_reader(BATCH_ROWS)  # execute() would materialise the whole result first
        cols = name_columns(reader.schema, types)
        self.push()
        self.reply.add(col_metadata(cols))
        n = 0
        for batch in reader:
            if s.cancelled.is_set():
                raise duckdb.InterruptException("cancelled")
            size = batch.num_rows
            if fault and n + size >= fault["rows"]:
                size = fault["rows"] - n
                batch = batch.slice(0, size)
            self.reply.add(encode_rows(cols, batch.columns, size))
            n += size
            if fault and n >= fault["rows"]:
                self.strike(fault)
        if fault:
            self.strike(fault)
        s.rowcount = n
        self.done(n, 0xC1)

    def strike(self, fault: dict) -> None:
        self.reply._flush()
        if fault["with"] == "reset":
            raise ConnectionResetError
        if fault["with"] == "hang":
            self.s.cancelled.wait()
            raise duckdb.InterruptException("cancelled")
        raise SqlError(1205, f"Transaction (Process ID {self.s.spid}) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.", 13, 51)


def name_columns(schema: pa.Schema, types) -> list[tuple[str, T]]:
    if types is not None and len(types) != len(schema):
        types = None
    out = []
    for i, f in enumerate(schema):
        t = types[i][1] if types and types[i][1] is not None else from_arrow(f.type)
        name = types[i][0] if types else f.name
        out.append(("" if types and not name and re.fullmatch(r"_c\d+", f.name) else name or f.name, t))
    return out


def _fetch(con, sql: str, params: dict):
    """One value, with what Python's own types would lose kept: structs and ticks come back as DuckDB has them."""
    rows = con.execute(sql, params).fetchall()  # to the end: a result left open would block the connection's next query
    return rows[0][0] if rows else None


def explain(e: Exception) -> SqlError:
    """A DuckDB or Python error as SQL Server would number it."""
    if isinstance(e, SqlError):
        return e
    text = str(e)
    for pattern, number, message, severity, state in (
            (r"Table with name (\S+) does not exist|schema with name (\S+) does not exist|Catalog \"(\S+)\" does not exist", 208, "Invalid object name '{0}'.", 16, 1), (r"Referenced column \"([^\"]+)\" (?:not found|was not found)|does not have a column named \"([^\"]+)\"|Referenced table \"([^\"]+)\" not found", 207, "Invalid column name '{0}'.", 16, 1),
            (r"Duplicate key \"?([^\"]*)|violates (?:primary key|unique) constraint", 2627, "Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object. The duplicate key value is ({0}).", 14, 1),
            (r"NOT NULL constraint failed: (\S+)", 515, "Cannot insert the value NULL into column '{0}'; column does not allow nulls. The statement has been terminated.", 16, 2),
            (r"(?:Invalid Input Error: )?(\d{4,5}):(.*)", 0, "", 16, 1), (r"[Cc]onflict", 3960, "Snapshot isolation transaction aborted due to update conflict.", 16, 5),
            (r"Could not convert|Conversion Error|invalid.*format", 245, "Conversion failed: " + text[:300].replace("{", "(").replace("}", ")"), 16, 1), (r"Out of Range", 8115, "Arithmetic overflow error: " + text[:200].replace("{", "(").replace("}", ")"), 16, 2),
            (r"function with name (\S+) does not exist", 195, "'{0}' is not a recognized built-in function name.", 15, 10)):
        if m := re.search(pattern, text):
            if number == 0:
                return SqlError(int(m[1]), m[2].strip())
            return SqlError(number, message.format(next((g for g in m.groups() if g), "?")), severity, state)
    return SqlError(50000, f"{type(e).__name__}: {text[:1500]}")

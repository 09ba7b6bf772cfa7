"""System procedures, and the stand-in's own control calls."""
from __future__ import annotations

from . import capture
from .dialect import Splitter, SqlError, unbracket
from .types import T

import pyarrow as pa


def call(s, name: str, args: dict, out) -> None:
    handler = PROCS.get(name) or PROCS.get(name.split(".")[-1])
    if handler is None:
        raise SqlError(2812, f"Could not find stored procedure '{name}'.", 16, 62)
    s.given = args
    get = lambda k, default=None, at=None: (args.get("@" + k) or args.get(at) or (default, None))[0]
    handler(s, get, out)


def fail_after(s, get, out) -> None:
    """The next result, of any session, breaks after @rows rows."""
    kind = str(get("with", "reset", 1)).lower()
    if kind not in ("reset", "1205", "hang"):
        raise SqlError(50000, "@with must be 'reset', '1205' or 'hang'.")
    s.engine.fault = {"rows": int(get("rows", 0, 0)), "with": kind}
    out.done()


def cdc_enable_db(s, get, out) -> None:
    db = s.engine.database(s.db)
    db.cdc_on = True
    s.engine.internal("UPDATE master._s.databases SET is_cdc_enabled = true WHERE name = ?", [db.name])
    out.done()


def _write(s, work) -> None:
    s.before(True)
    db = s.engine.database(s.db)
    with db.lock:
        work(db)
        s.touched.add(db.name)
        s.settle()


def cdc_enable_table(s, get, out) -> None:
    schema, name = get("source_schema"), get("source_name")
    t = s.need_table([s.db, schema, name])
    columns = get("captured_column_list")
    names = [t.column(unbracket(c.strip())[0]) for c in columns.split(",")] if columns else None
    _write(s, lambda db: capture.enable_cdc(s.con, db, t, get("capture_instance") or f"{t.schema}_{t.name}", names, bool(get("supports_net_changes", 1))))
    out.done()


def cdc_disable_table(s, get, out) -> None:
    _write(s, lambda db: capture.disable_cdc(s.con, db, get("capture_instance") or f"{get('source_schema')}_{get('source_name')}"))
    out.done()


def cdc_cleanup(s, get, out) -> None:
    _write(s, lambda db: capture.clean_cdc(s.con, db, get("capture_instance"), bytes(get("low_water_mark"))))
    out.done()


def ct_cleanup(s, get, out) -> None:
    t = s.need_table(unbracket(get("table", None, 0)))
    _write(s, lambda db: capture.clean_tracking(s.con, db, t, int(get("version", db.ct_version, 1))))
    out.done()


def restore_rewind(s, get, out) -> None:
    """As a restore of an older backup looks from outside: another recovery fork."""
    s.engine.internal("UPDATE master._s.databases SET recovery_fork_guid = uuid(), create_date = now()::TIMESTAMP WHERE name = ?", [s.db])
    out.done()


def executesql(s, get, out) -> None:
    """sp_executesql within a batch: the values have their own names, the batch's variables are out of sight."""
    outer, text, names = s.vars, get("stmt", "", 0), get("params", "", 1)
    s.vars = s.bind(names, [(k if isinstance(k, str) else "", t or T("int"), v) for k, (v, t) in s.given.items() if k not in (0, 1, "@stmt", "@params")])
    try:
        for stmt in Splitter(text).all():
            s.run(stmt, out)
    finally:
        s.vars = outer


def sp_who(s, get, out) -> None:
    out.table([("spid", T("smallint"))], [pa.array([s.spid])], 1)


PROCS = {"standin.fail_after": fail_after, "standin.ct_cleanup": ct_cleanup, "standin.restore": restore_rewind, "sp_cdc_enable_db": cdc_enable_db, "sp_cdc_enable_table": cdc_enable_table,
         "sp_cdc_disable_table": cdc_disable_table, "sp_cdc_cleanup_change_table": cdc_cleanup, "sp_who": sp_who, "sp_executesql": executesql}

"""Which procedures are known, and what do they do? (those of CDC, and the stand-in's own controls)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from include.local.sql_server_stand_in.capture import cdc, change_tracking
from include.local.sql_server_stand_in.catalogue.tables import Column, Table
from include.local.sql_server_stand_in.errors import SqlError, not_known
from include.local.sql_server_stand_in.faults import KINDS, STATES, Fault, Scope
from include.local.sql_server_stand_in.run_definition import change_table
from include.local.sql_server_stand_in.session import Session
from include.local.sql_server_stand_in.t_sql.lexer import tokens

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Procedure:
    """What it does, and the arguments that it must and may have."""

    run: Callable[[Session, Arguments], None]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def run_procedure(session: Session, name: str, arguments: Arguments) -> None:
    """`arguments` by name, with @. Raises SqlError for a procedure or an argument that is not known."""
    procedure = PROCEDURES.get(name.removeprefix("sys."))
    if procedure is None:
        raise SqlError(2812, f"Could not find stored procedure '{name}': the stand-in does not know it.", state=62)
    given = {argument.removeprefix("@"): value for argument, value in arguments.items()}
    for argument in procedure.required:
        if given.get(argument) is None:
            raise SqlError(201, f"Procedure '{name}' expects parameter '@{argument}', which was not supplied.", state=4)
    for argument in given:
        if argument not in (*procedure.required, *procedure.optional):
            raise SqlError(8145, f"@{argument} is not a parameter for procedure {name}.", state=2)
    procedure.run(session, given)


def _table(session: Session, name: str) -> Table:
    return session.need_table(tuple(token.text for token in tokens(name) if token.kind in ("word", "name")))


# --- change data capture


def _enable_database(session: Session, given: Arguments) -> None:
    session.transaction.forbid("sp_cdc_enable_db")
    session.engine.change(session.engine.database(session.database), "captures_changes", True)


def _enable_table(session: Session, given: Arguments) -> None:
    if given.get("role_name") is not None:
        raise not_known("@role_name other than NULL")
    table = session.need_table((given["source_schema"], given["source_name"]))
    name = given.get("capture_instance") or f"{table.schema}_{table.name}"
    columns = _columns(table, given.get("captured_column_list"))
    wanted = given.get("supports_net_changes")
    net = bool(table.primary_key) if wanted is None else bool(wanted)
    change_table(
        session, table, lambda connection, database, table: cdc.enable(connection, database, table, name, columns, net)
    )


def _columns(table: Table, names: str | None) -> list[Column]:
    found = [table.column(name.strip(" []")) for name in names.split(",")] if names else list(table.columns)
    if None in found:
        raise SqlError(22929, f"Could not find one of the columns {names} in table {table.name}.")
    return [column for column in found if column]


def _disable_table(session: Session, given: Arguments) -> None:
    table, instance = session.instance(session.database, given["capture_instance"])
    change_table(
        session, table, lambda connection, database, table: cdc.disable(connection, database, table, instance.name)
    )


def _clean_table(session: Session, given: Arguments) -> None:
    table, instance = session.instance(session.database, given["capture_instance"])

    def clean(connection: Any, database: Any, table: Table) -> Table:
        cdc.clean(connection, database, instance.name, bytes(given["low_water_mark"]))
        return table

    change_table(session, table, clean)


# --- controls of the stand-in


def _clean_tracking(session: Session, given: Arguments) -> None:
    """As if the retention had ended: versions up to @version, by default all so far, are forgotten."""
    table = _table(session, given["table"])

    def clean(connection: Any, database: Any, table: Table) -> Table:
        wanted = given.get("version")
        change_tracking.clean(connection, table, database.change_version if wanted is None else int(wanted))
        return table

    change_table(session, table, clean)


def _restore(session: Session, given: Arguments) -> None:
    """As the restore of an older backup looks from outside: another recovery fork. The rows stay as they are."""
    session.engine.write(
        "UPDATE master._s.databases SET recovery_fork_guid = uuid(), create_date = now()::TIMESTAMP WHERE name = ?",
        [session.database],
    )


def _fault(session: Session, given: Arguments) -> None:
    kind = str(given["kind"]).lower()
    if kind not in KINDS:
        raise SqlError(50000, f"@kind must be one of {', '.join(KINDS)}.")
    if kind == "denied" and not given.get("table"):
        raise SqlError(50000, "@table must say for which table SELECT is denied.")
    scope = Scope(
        database=session.engine.database(str(given.get("database") or session.database)).name,
        table=str(given.get("table") or ""),
        column=str(given.get("column") or ""),
        login=str(given.get("login") or ""),
    )
    times = given.get("times") or (None if kind in STATES else 1)
    session.engine.faults.add(Fault(kind, scope, session.spid, int(given.get("after_rows") or 0), times))


def _lift_faults(session: Session, given: Arguments) -> None:
    session.engine.faults.lift(session.spid)


PROCEDURES = {
    "sp_cdc_enable_db": Procedure(_enable_database),
    "sp_cdc_enable_table": Procedure(
        _enable_table,
        ("source_schema", "source_name"),
        ("role_name", "capture_instance", "supports_net_changes", "captured_column_list"),
    ),
    "sp_cdc_disable_table": Procedure(_disable_table, ("capture_instance",), ("source_schema", "source_name")),
    "sp_cdc_cleanup_change_table": Procedure(_clean_table, ("capture_instance", "low_water_mark")),
    "standin.clean_change_tracking": Procedure(_clean_tracking, ("table",), ("version",)),
    "standin.restore": Procedure(_restore),
    "standin.fault": Procedure(_fault, ("kind",), ("database", "table", "column", "login", "after_rows", "times")),
    "standin.lift_faults": Procedure(_lift_faults),
}

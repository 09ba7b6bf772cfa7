"""Which functions are known? (a table; any other is refused as SQL Server refuses one that is not built in)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.local.sql_server_stand_in.catalogue.tables import quoted
from include.local.sql_server_stand_in.errors import SqlError, not_known
from include.local.sql_server_stand_in.sql_types import BIGINT, DATETIME, INT, MAX, NULL, SqlType, storage
from include.local.sql_server_stand_in.t_sql.lexer import tokens
from include.local.sql_server_stand_in.t_sql.tree import Call, Name
from include.local.sql_server_stand_in.translate.conversion import convert
from include.local.sql_server_stand_in.translate.date_time import as_ticks, ticks_per
from include.local.sql_server_stand_in.translate.expression import common_type
from include.local.sql_server_stand_in.translate.macros import call
from include.local.sql_server_stand_in.translate.value import Value, cast, key

if TYPE_CHECKING:
    from include.local.sql_server_stand_in.translate.expression import ExpressionTranslator

LSN = SqlType("binary", 10)


@dataclass(frozen=True)
class Function:
    """How many arguments it takes, and what it becomes."""

    least: int
    most: int
    make: Callable[[ExpressionTranslator, list[Value]], Value]


def call_function(translator: ExpressionTranslator, node: Call) -> Value:
    if node.name in _WITH_PART and node.arguments:
        return _with_part(translator, node)
    function = FUNCTIONS.get(node.name)
    if function is None:
        raise SqlError(
            195,
            f"'{node.name}' is not a recognized built-in function name: the stand-in does not know it.",
            15,
            state=10,
        )
    if not function.least <= len(node.arguments) <= function.most:
        raise SqlError(174, f"The {node.name} function requires {function.least} argument(s).", 15)
    return function.make(translator, translator.values(node.arguments))


def _system(name: str) -> Function:
    return Function(0, 0, lambda translator, values: translator.variable(name))


def _coalesce(translator: ExpressionTranslator, values: list[Value]) -> Value:
    kind = common_type(values)
    return Value(f"coalesce({', '.join(convert(value, kind).sql for value in values)})", kind)


def _isnull(translator: ExpressionTranslator, values: list[Value]) -> Value:
    """Unlike COALESCE it has the type of its first argument."""
    first, second = values
    kind = second.type if first.type == NULL else first.type
    return Value(f"coalesce({convert(first, kind).sql}, {convert(second, kind).sql})", kind)


def _nullif(translator: ExpressionTranslator, values: list[Value]) -> Value:
    from include.local.sql_server_stand_in.translate.condition import compared

    return Value(f"CASE WHEN {compared('=', *values)} THEN NULL ELSE {values[0].sql} END", values[0].type)


def _len(translator: ExpressionTranslator, values: list[Value]) -> Value:
    """Characters without trailing blanks."""
    return Value(cast(_length(_text(values[0]), f"rtrim({values[0].sql}, ' ')"), "INTEGER"), INT)


def _length(value: Value, sql: str) -> str:
    return call("units", sql) if value.type.is_wide else f"length({sql})"


def _datalength(translator: ExpressionTranslator, values: list[Value]) -> Value:
    if values[0].type.is_binary:
        return Value(cast(f"octet_length({values[0].sql})", "INTEGER"), INT)
    width = 2 if values[0].type.is_wide else 1
    return Value(cast(f"{_length(_text(values[0]), values[0].sql)} * {width}", "INTEGER"), INT)


def _text(value: Value) -> Value:
    if not value.type.is_text:
        raise SqlError(8116, f"Argument data type {value.type.name} is invalid for argument 1: not in the stand-in.")
    return value


def _replicate(translator: ExpressionTranslator, values: list[Value]) -> Value:
    text, times = _text(values[0]), convert(values[1], BIGINT)
    return Value(f"repeat({text.sql}, {times.sql})", SqlType("nvarchar" if text.type.is_wide else "varchar", MAX))


def _char(translator: ExpressionTranslator, values: list[Value]) -> Value:
    return Value(f"chr({convert(values[0], INT).sql})", SqlType("char", 1))


def _nchar(translator: ExpressionTranslator, values: list[Value]) -> Value:
    return Value(f"chr({convert(values[0], INT).sql})", SqlType("nchar", 1))


def _replace(translator: ExpressionTranslator, values: list[Value]) -> Value:
    """By code units: the parser takes no other collation than Latin1_General_BIN2."""
    text, old, new = (_text(value) for value in values)
    return Value(f"replace({text.sql}, {old.sql}, {new.sql})", text.type)


# --- the catalogue


def _columnproperty(translator: ExpressionTranslator, values: list[Value]) -> Value:
    """What is asked of computed columns alone is NULL of any other, and there are no others."""
    if values[2].text not in ("IsDeterministic", "UserDataAccess"):
        raise not_known("COLUMNPROPERTY of anything but IsDeterministic and UserDataAccess")
    return Value(cast("NULL", "INTEGER"), INT)


def _has_perms_by_name(translator: ExpressionTranslator, values: list[Value]) -> Value:
    """The only login may do everything."""
    if [value.text for value in values[1:]] != ["DATABASE", "UNMASK"]:
        raise not_known("HAS_PERMS_BY_NAME of anything but UNMASK in a database")
    return Value("1", INT)


def _object_id(translator: ExpressionTranslator, values: list[Value]) -> Value:
    if values[0].text is None:
        raise not_known("OBJECT_ID of anything but a literal")
    parts = tuple(token.text for token in tokens(values[0].text) if token.kind in ("word", "name"))
    table = translator.names.table(parts)
    return Value(str(table.object_id) if table else cast("NULL", "INTEGER"), INT)


def _own(translator: ExpressionTranslator, place: str) -> str:
    return f"{quoted(translator.names.database)}.{place}"


# --- change tracking and change data capture


def _tracking_version(translator: ExpressionTranslator, values: list[Value]) -> Value:
    """NULL where the database does not track changes."""
    name = translator.names.database.replace("'", "''")
    tracks = f"(SELECT tracks_changes FROM master._s.databases WHERE lower(name) = lower('{name}'))"
    return Value(f"(SELECT max(version) FROM {_own(translator, '_s.change_commits')} WHERE {tracks})", BIGINT)


def _tracking_minimum(translator: ExpressionTranslator, values: list[Value]) -> Value:
    tracked = _own(translator, "_s.tracked_tables")
    return Value(f"(SELECT min_valid_version FROM {tracked} WHERE object_id = {values[0].sql})", BIGINT)


def _max_lsn(translator: ExpressionTranslator, values: list[Value]) -> Value:
    return Value(f"(SELECT max(start_lsn) FROM {_own(translator, 'cdc.lsn_time_mapping')})", LSN)


def _min_lsn(translator: ExpressionTranslator, values: list[Value]) -> Value:
    """Zero for an instance that is not there."""
    found = f"SELECT start_lsn FROM {_own(translator, 'cdc.change_tables')}"
    same = Value("capture_instance", SqlType("nvarchar", 128))
    return Value(f"coalesce(({found} WHERE {key(same)} = {key(_text(values[0]))}), unhex(repeat('00', 10)))", LSN)


def _next_lsn(translator: ExpressionTranslator, values: list[Value]) -> Value:
    return Value(call("int2bin", f"{call('bin2int', convert(values[0], LSN).sql)} + 1", 10), LSN)


_RELATIONS = {
    "smallest greater than": ("min", ">"),
    "smallest greater than or equal": ("min", ">="),
    "largest less than": ("max", "<"),
    "largest less than or equal": ("max", "<="),
}


def _lsn_at(translator: ExpressionTranslator, values: list[Value]) -> Value:
    relation = _RELATIONS.get((values[0].text or "").lower())
    if relation is None:
        raise SqlError(22985, "The relational operator of fn_cdc_map_time_to_lsn is not known.")
    at = convert(values[1], DATETIME)
    mapping = _own(translator, "cdc.lsn_time_mapping")
    return Value(f"(SELECT {relation[0]}(start_lsn) FROM {mapping} WHERE tran_end_time {relation[1]} {at.sql})", LSN)


def _time_of_lsn(translator: ExpressionTranslator, values: list[Value]) -> Value:
    """Of the newest number the time is now: this capture is never behind, and at an idle real server it writes an entry
    every five minutes."""
    mapping, lsn = _own(translator, "cdc.lsn_time_mapping"), convert(values[0], LSN).sql
    now = translator.variable("getdate()").sql
    newest = f"SELECT max(start_lsn) FROM {mapping}"
    found = f"SELECT max(tran_end_time) FROM {mapping} WHERE start_lsn = {lsn}"
    return Value(f"(CASE WHEN {lsn} = ({newest}) THEN {now} ELSE ({found}) END)", DATETIME)


FUNCTIONS = {
    "coalesce": Function(2, 99, _coalesce),
    "isnull": Function(2, 2, _isnull),
    "nullif": Function(2, 2, _nullif),
    "len": Function(1, 1, _len),
    "datalength": Function(1, 1, _datalength),
    "replicate": Function(2, 2, _replicate),
    "char": Function(1, 1, _char),
    "getdate": _system("getdate()"),  # the server's clock stands on UTC
    "getutcdate": _system("getdate()"),
    "sysdatetime": _system("sysutcdatetime()"),
    "sysutcdatetime": _system("sysutcdatetime()"),
    "sysdatetimeoffset": _system("sysdatetimeoffset()"),
    "min_active_rowversion": _system("min_active_rowversion()"),
    "db_name": _system("db_name()"),
    "schema_name": _system("schema_name()"),
    "nchar": Function(1, 1, _nchar),
    "replace": Function(3, 3, _replace),
    "columnproperty": Function(3, 3, _columnproperty),
    "has_perms_by_name": Function(3, 3, _has_perms_by_name),
    "object_id": Function(1, 1, _object_id),
    "change_tracking_current_version": Function(0, 0, _tracking_version),
    "change_tracking_min_valid_version": Function(1, 1, _tracking_minimum),
    "sys.fn_cdc_get_max_lsn": Function(0, 0, _max_lsn),
    "sys.fn_cdc_get_min_lsn": Function(1, 1, _min_lsn),
    "sys.fn_cdc_increment_lsn": Function(1, 1, _next_lsn),
    "sys.fn_cdc_map_time_to_lsn": Function(2, 2, _lsn_at),
    "sys.fn_cdc_map_lsn_to_time": Function(1, 1, _time_of_lsn),
}


# --- functions whose first argument is a word


def _with_part(translator: ExpressionTranslator, node: Call) -> Value:
    word, wanted = node.arguments[0], _WITH_PART[node.name]
    if not isinstance(word, Name) or len(word.parts) != 1 or len(node.arguments) != wanted.least:
        raise SqlError(174, f"The {node.name} function requires {wanted.least} argument(s).", 15)
    return wanted.make(word.parts[0], translator.values(node.arguments[1:]))


def _dateadd(part: str, values: Sequence[Value]) -> Value:
    number, moment = convert(values[0], BIGINT), values[1]
    if moment.type.is_text:
        moment = convert(moment, DATETIME)
    ticks = as_ticks(moment)
    if ticks is None or moment.type.name == "datetimeoffset":
        raise SqlError(8116, f"Argument data type {moment.type.name} is invalid for dateadd: not in the stand-in.")
    added = Value(f"({ticks} + {number.sql} * {ticks_per(part)})", SqlType("datetime2", scale=7))
    return convert(added, moment.type)


def _datepart(part: str, values: Sequence[Value]) -> Value:
    """Only the offset of a datetimeoffset, in minutes."""
    if part.lower() not in ("tzoffset", "tz") or values[0].type.name != "datetimeoffset":
        raise SqlError(155, f"'{part}' is not a recognized datepart option: the stand-in does not know it.", 15)
    return Value(cast(f"({values[0].sql}).o", storage(INT)), INT)


@dataclass(frozen=True)
class WithPart:
    least: int
    make: Callable[[str, Sequence[Value]], Value]


_WITH_PART = {"dateadd": WithPart(3, _dateadd), "datepart": WithPart(2, _datepart)}
